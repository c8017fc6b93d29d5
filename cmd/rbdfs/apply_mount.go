package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"rbdfs/fs"
	"rbdfs/snapshots"
)

// mountedImage is an image of a mount, by its files and directories alone, so that
// the mount's caches know of all that is done.
type mountedImage struct {
	file *os.File
	snap string // the directory of its snapshots
	name string // the image's file
}

// mountTarget opens an image by its path in a mount, or makes it.
func mountTarget(path string, create bool) (*applyTarget, error) {
	dir, err := resolveDir(filepath.Dir(path))
	if err != nil {
		return nil, failf(exitApplyImage, "%q is in no directory (%v); name an image in a mount of rbdfs, or rbd:POOL/IMAGE", path, reason(err))
	}
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	if m, ok := mountAt(mounts, dir); !ok || m.fstype != mountType || m.root != "/" {
		return nil, failf(exitApplyImage, "%q is not a mount of rbdfs, and so %q no image; name one in a mount, or rbd:POOL/IMAGE", dir, path)
	}
	name := filepath.Base(path)
	image := &mountedImage{snap: filepath.Join(dir, ".snap", name), name: name}
	path = filepath.Join(dir, name)
	t := &applyTarget{Target: image, name: path}
	image.file, err = os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) && create {
		image.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		t.discard = func() error { return errors.Join(image.file.Close(), os.Remove(path)) }
	}
	if err != nil {
		return nil, failf(exitApplyImage, "image %q cannot be opened for writing (%v); a full stream makes an image that does not exist", path, reason(err))
	}
	t.close = image.file.Close
	// Kept by the mount's own host; it is against two that apply to one image.
	if err := unix.Flock(int(image.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = image.file.Close()
		return nil, failf(exitApplyImage, "image %q is locked by another program (%v); wait until that is over", path, err)
	}
	return t, nil
}

func (m *mountedImage) Truncate(size uint64) error {
	if size > 1<<63-1 {
		return syscall.EFBIG
	}
	return m.file.Truncate(int64(size))
}

func (m *mountedImage) WriteAt(p []byte, fileOff uint64) error {
	_, err := m.file.WriteAt(p, int64(fileOff))
	return err
}

func (m *mountedImage) Zero(fileOff, length uint64) error {
	if length == 0 {
		return nil // fallocate(2) answers EINVAL
	}
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	for {
		err := unix.Fallocate(int(m.file.Fd()), mode, int64(fileOff), int64(length))
		if err != unix.EINTR {
			return err
		}
	}
}

func (m *mountedImage) Sync() error { return m.file.Sync() }

// Snapshots lists the snapshots in the order of the directory, the oldest first.
func (m *mountedImage) Snapshots() ([]string, error) {
	dir, err := os.Open(m.snap)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	files, err := dir.Readdirnames(-1)
	names := make([]string, 0, len(files))
	for _, file := range files {
		if name, ok := fs.ImageName(file); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// path is the path of a snapshot's directory. A name comes from a stream, and
// leads nowhere else.
func (m *mountedImage) path(name string) (string, error) {
	file, ok := fs.FileName(name)
	if !ok {
		return "", &os.PathError{Op: "find", Path: name, Err: syscall.ENAMETOOLONG}
	}
	return filepath.Join(m.snap, file), nil
}

func (m *mountedImage) Snap(name string) error {
	path, err := m.path(name)
	if err != nil {
		return err
	}
	return os.Mkdir(path, 0o700)
}

func (m *mountedImage) Unsnap(name string) error {
	path, err := m.path(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (m *mountedImage) Rename(name, newName string) error {
	from, err := m.path(name)
	if err != nil {
		return err
	}
	to, err := m.path(newName)
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (m *mountedImage) OpenSnapshot(name string) (snapshots.Source, error) {
	path, err := m.path(name)
	if err != nil {
		return nil, err
	}
	return openSource(filepath.Join(path, m.name))
}

func (m *mountedImage) OpenDiff(name, older string) (snapshots.Source, error) {
	path, err := m.path(name)
	file, ok := fs.FileName(older)
	if older == "" {
		file, ok = ".full", true
	}
	if err == nil && !ok {
		err = syscall.ENAMETOOLONG
	}
	if err != nil {
		return nil, err
	}
	return openSource(filepath.Join(path, ".diff", file))
}

// sourceFile is a file that is read.
type sourceFile struct {
	*os.File
	size uint64
}

// Size returns the file's size, in bytes.
func (s sourceFile) Size() uint64 { return s.size }

func openSource(path string) (snapshots.Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return sourceFile{File: file, size: uint64(info.Size())}, nil
}
