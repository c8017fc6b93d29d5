package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// claim is a directory that is fit to mount on. Until it is released, a second
// rbdfs is refused the directory.
type claim struct {
	path    string // absolute, without symbolic links
	release func()
}

// claimDir checks the directory to mount on.
func claimDir(dir string, replaceStale bool) (claim, error) {
	c, err := within(dirTime, func() (claim, error) { return claimSlowly(dir, replaceStale) })
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return claim{}, failf(exitDirUnusable, "directory %q does not answer, since a mount on its path hangs; detach that with \"umount -l\" or name another directory", dir)
	}
	return c, err
}

// claimSlowly is claimDir without the time limit.
func claimSlowly(dir string, replaceStale bool) (claim, error) {
	path, err := resolveDir(dir)
	if err != nil {
		return claim{}, err
	}
	if replaceStale {
		if err := detachStale(path); err != nil {
			return claim{}, err
		}
	}
	if err := checkDir(path); err != nil {
		return claim{}, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return claim{}, dirFailure(path, err)
	}
	c := claim{path: path, release: func() { _ = unix.Close(fd) }}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		c.release()
		return claim{}, failf(exitDirMounted, "another rbdfs is just mounting on %q; name another directory", path)
	}
	// Again, since the one that held the lock may have mounted meanwhile.
	if err := checkNotMounted(path); err != nil {
		c.release()
		return claim{}, err
	}
	return c, nil
}

// resolveDir makes a path absolute and free of symbolic links. The last
// component is not looked into, as it may be a mount that hangs or is dead.
func resolveDir(dir string) (string, error) {
	const mostLinks = 40 // as the kernel
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for range mostLinks {
		parent, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", dirFailure(dir, err)
		}
		path = filepath.Join(parent, filepath.Base(path))
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(parent, target)
		}
		path = target
	}
	return "", dirFailure(dir, syscall.ELOOP)
}

// checkDir answers whether path is an empty directory with nothing mounted.
func checkDir(path string) error {
	// A process would not see a mount over its own root. In a chroot, mountinfo
	// does not list the root either.
	if path == "/" {
		return failf(exitDirMounted, "%q is the root directory, which everything stands on; name an empty directory to mount on", path)
	}
	if isDead(path) {
		return dirFailure(path, syscall.ENOTCONN)
	}
	info, err := os.Stat(path)
	if err != nil {
		return dirFailure(path, err)
	}
	if !info.IsDir() {
		return failf(exitDirNotDir, "%q is not a directory; name an empty directory to mount on", path)
	}
	if err := checkNotMounted(path); err != nil {
		return err
	}
	if os.Geteuid() != 0 && unix.Access(path, unix.W_OK) != nil {
		return failf(exitDirUnusable, "directory %q is not yours to write to, which fusermount3 asks for; name one of your own", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return dirFailure(path, err)
	}
	defer f.Close()
	if names, err := f.Readdirnames(1); len(names) > 0 {
		return failf(exitDirNotEmpty, "directory %q is not empty, and mounting would hide %q; name an empty one", path, names[0])
	} else if err != nil && !errors.Is(err, io.EOF) {
		return dirFailure(path, err)
	}
	return nil
}

// checkNotMounted refuses a directory that is a mount point, also one of a
// bind mount, which has its parent's device number.
func checkNotMounted(path string) error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	if m, ok := mountAt(mounts, path); ok {
		return failf(exitDirMounted, "%q is a mount point of %s (%s) already; unmount that with \"%s\" or name another directory",
			path, m.source, m.fstype, umountHint(m))
	}
	return nil
}

// umountHint is the command that unmounts m.
func umountHint(m mountPoint) string {
	if m.fstype == mountType {
		return "rbdfs umount " + m.path
	}
	return "umount " + m.path
}

// detachStale takes away the dead mounts that killed daemons of ours have left
// on path, and nothing else.
func detachStale(path string) error {
	const most = 16 // mounts over mounts; each round takes one away
	for range most {
		if !isDead(path) {
			return nil
		}
		mounts, err := readMounts()
		if err != nil {
			return err
		}
		m, _ := mountAt(mounts, path)
		if m.fstype != mountType {
			return failf(exitDirStale, "directory %q is a dead mount of another program (%s); detach it with \"umount -l %s\"", path, m.fstype, path)
		}
		if err := detachDead(m); err != nil {
			return failf(exitDirStale, "the dead mount on %q cannot be detached (%v); detach it as root with \"umount -l %s\"", path, reason(err), path)
		}
	}
	return nil
}

// dirFailure says why a directory cannot be looked at.
func dirFailure(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitDirMissing, "directory %q does not exist; create it with \"mkdir %s\" or name another", dir, dir)
	case errors.Is(err, syscall.ENOTDIR):
		return failf(exitDirNotDir, "%q is not a directory; name an empty directory to mount on", dir)
	case errors.Is(err, syscall.ENOTCONN):
		return failf(exitDirStale, "directory %q is a dead mount (transport endpoint is not connected); detach it with --replace-stale or \"umount -l %s\"", dir, dir)
	default:
		return failf(exitDirUnusable, "directory %q cannot be used (%v); name another", dir, reason(err))
	}
}

// reason is the innermost error: the errno's text without the path.
func reason(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// within runs f, and gives up waiting for it after a time, with
// os.ErrDeadlineExceeded.
func within[T any](d time.Duration, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := f()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-time.After(d):
		var none T
		return none, os.ErrDeadlineExceeded
	}
}
