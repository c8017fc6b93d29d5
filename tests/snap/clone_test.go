package snap

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// clone makes a clone by ln, until the test ends.
func clone(t *testing.T, snap, name string) string {
	t.Helper()
	path := env.Mount.Path(name)
	must(t, os.Link(snap, path))
	t.Cleanup(func() { must(t, os.Remove(path)) })
	return path
}

// cleared has the end of the test wait until the clones that were removed are
// purged, and so keep no snapshot any more.
func cleared(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { purged(t) })
}

// purged waits until the trash is empty.
func purged(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		list, err := env.Cluster.RBD(ctx, "trash", "ls", "--all", env.Pool)
		if err == nil && strings.TrimSpace(list) == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after a minute, the trash holds %q: %v", list, err)
		}
	}
}

// The golden image: an image, a snapshot, clones that are each changed, and all
// of them verified.
func TestGoldenImage(t *testing.T) {
	env.Mount.Check(t)
	gold := bytes.Repeat([]byte("golden image\n"), 12*mib/13)
	image(t, "golden", gold)
	cleared(t)
	must(t, os.Mkdir(filepath.Join(snapsOf("golden"), "v1"), 0o755))
	snap := snapOf("golden", "v1")
	before := stat(t, snap)
	const clones = 50
	paths := make([]string, clones)
	var took time.Duration
	for i := range paths {
		begin := time.Now()
		paths[i] = clone(t, snap, fmt.Sprintf("vm%02d", i))
		took += time.Since(begin)
		f, err := os.OpenFile(paths[i], os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt(fmt.Appendf(nil, "this is vm%02d", i), int64(i)*100_000)
		must(t, err)
		must(t, f.Close())
	}
	t.Log("a clone took", took/clones)
	for i, path := range paths {
		want := bytes.Clone(gold)
		copy(want[i*100_000:], fmt.Sprintf("this is vm%02d", i))
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d bytes, %v", path, len(got), err)
		}
	}
	if got, err := os.ReadFile(snap); err != nil || !bytes.Equal(got, gold) {
		t.Errorf("the snapshot has changed: %d bytes, %v", len(got), err)
	}
	if now := stat(t, snap); now != before {
		t.Errorf("the snapshot is %+v, was %+v", now, before)
	}
	st := stat(t, paths[0])
	if st.Mode&0o200 == 0 || st.Nlink != 1 || st.Ino == before.Ino || st.Blocks == 0 {
		t.Errorf("%+v", st)
	}
	if parent := run(t, "getfattr", "--only-values", "--absolute-names", "-n", "user.rbd.parent", paths[0]); parent != env.Pool+"/golden@v1" {
		t.Error(parent)
	}
	want(t, "ln over", os.Link(snap, paths[0]), syscall.EEXIST)
	want(t, "ln of an image", os.Link(paths[0], env.Mount.Path("x")), syscall.EOPNOTSUPP)
	want(t, "ln to a@b", os.Link(snap, env.Mount.Path("a@b")), syscall.EINVAL)
	env.Mount.ExpectLog(t, "it has clones.*and 45 more")
	want(t, "rmdir", os.Remove(filepath.Join(snapsOf("golden"), "v1")), syscall.EBUSY)
}

// A clone has the options of the mount that makes it, and its parent's data
// counts as data.
func TestCloneOptions(t *testing.T) {
	env.Mount.Check(t)
	b := env.Start(t, harness.Options{Args: []string{"--object-size=64K", "--image-features=layering,exclusive-lock"}})
	path := image(t, "golden", nil)
	cleared(t)
	must(t, os.Truncate(path, 40*mib))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("data"), 21*mib)
	must(t, err)
	must(t, f.Close())
	must(t, os.Mkdir(filepath.Join(snapsOf("golden"), "v1"), 0o755))
	must(t, os.Link(b.Path(".snap/golden/v1/golden"), b.Path("vm")))
	t.Cleanup(func() { must(t, os.Remove(env.Mount.Path("vm"))) })
	info := rbd(t, "info", spec("vm"))
	for _, part := range []string{"order 16 ", "features: layering, exclusive-lock, operations\n", "golden@v1"} {
		if !strings.Contains(info, part) {
			t.Errorf("%q is not in %s", part, info)
		}
	}
	c, err := os.Open(b.Path("vm"))
	must(t, err)
	defer c.Close()
	const seekData, seekHole = 3, 4
	data, err := c.Seek(0, seekData)
	must(t, err)
	hole, err := c.Seek(data, seekHole)
	must(t, err)
	if data > 21*mib || hole <= 21*mib || data == 0 {
		t.Errorf("data at [%d, %d)", data, hole)
	}
}
