package features

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestMirrorNonPrimary reads the demoted image of a mirror, and cannot write it
// until it is promoted.
func TestMirrorNonPrimary(t *testing.T) {
	rbd(t, "mirror", "pool", "enable", env.Pool, "image")
	for _, mode := range []string{"snapshot", "journal"} {
		t.Run(mode, func(t *testing.T) {
			env.Mount.Check(t)
			image := imageName(t)
			c := filled(t, image, 9_000_001)
			rbd(t, "mirror", "image", "enable", spec(image), mode)
			rbd(t, "mirror", "image", "demote", spec(image))
			path := env.Mount.Path(image)
			c.Check(t, path)
			refuseWriting(t, path, syscall.EROFS)
			c.Check(t, path)
			rbd(t, "mirror", "image", "promote", spec(image))
			c.Scribble(t, path, 5)
			c.Check(t, path)
			rbd(t, "mirror", "image", "disable", spec(image))
		})
	}
}

// refuseWriting fails unless open(2) for writing and truncate(2) answer one of
// these errnos.
func refuseWriting(t *testing.T, path string, errnos ...syscall.Errno) {
	t.Helper()
	for _, flags := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND} {
		f, err := os.OpenFile(path, flags, 0)
		if err == nil {
			f.Close()
		}
		refused(t, "open for writing", err, errnos...)
	}
	refused(t, "truncate", os.Truncate(path, 1), errnos...)
}

// refused fails unless err is one of these errnos.
func refused(t *testing.T, what string, err error, errnos ...syscall.Errno) {
	t.Helper()
	for _, errno := range errnos {
		if errors.Is(err, errno) {
			return
		}
	}
	t.Errorf("%s: %v, want one of %v", what, err, errnos)
}

// TestReadOnlyMount refuses all changes with EROFS.
func TestReadOnlyMount(t *testing.T) {
	image := imageName(t)
	c := filled(t, image, 9_000_001)
	m := env.Start(t, harness.Options{Args: []string{"--read-only"}, ReadOnly: true})
	c.Check(t, m.Path(image))
	checkNoChanges(t, m, image, syscall.EROFS)
	c.Check(t, m.Path(image))
}

// checkNoChanges tries every way to change an image or the pool.
func checkNoChanges(t *testing.T, m *harness.Mount, image string, errnos ...syscall.Errno) {
	t.Helper()
	path := m.Path(image)
	refuseWriting(t, path, errnos...)
	_, err := os.Create(m.Path("new"))
	refused(t, "create", err, errnos...)
	refused(t, "remove", os.Remove(path), errnos...)
	refused(t, "rename", os.Rename(path, path+"2"), errnos...)
	refused(t, "chmod", os.Chmod(path, 0o640), errnos...)
	err = syscall.Setxattr(path, "user.rbd.meta.k", []byte("v"), 0)
	refused(t, "setxattr", err, errnos...)
	if content.Stat(t, path).Size == 0 {
		t.Error("the image is empty")
	}
}
