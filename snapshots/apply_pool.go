package snapshots

import (
	"errors"
	"io"

	"rbdfs/rbdio"
)

// poolTarget is an image of a pool that is not mounted.
type poolTarget struct {
	tree *Tree
	img  rbdio.Image
	id   string
	lost uint64 // writes that Sync has told of
}

// PoolTarget opens an image of a pool for streams to be applied. It must be closed.
func PoolTarget(pool rbdio.Pool, imageID string, opts Options) (Target, io.Closer, error) {
	img, err := pool.Open(imageID)
	if err != nil {
		return nil, nil, err
	}
	files := rbdio.NewFiles(pool, rbdio.FilesOptions{ReadOnly: true, Logger: opts.Logger}) // purges nothing
	t := &poolTarget{tree: New(pool, files, opts), img: img, id: imageID}
	return t, closeFunc(func() error {
		t.tree.Close()
		return errors.Join(files.Close(), img.Close())
	}), nil
}

// closeFunc is an io.Closer.
type closeFunc func() error

// Close calls it.
func (f closeFunc) Close() error { return f() }

func (t *poolTarget) Truncate(size uint64) error             { return t.img.Resize(size) }
func (t *poolTarget) WriteAt(p []byte, fileOff uint64) error { return t.img.WriteAt(p, fileOff) }
func (t *poolTarget) Zero(fileOff, length uint64) error      { return t.img.WriteZeroes(fileOff, length) }
func (t *poolTarget) Unsnap(name string) error               { return t.tree.Remove(t.id, name) }
func (t *poolTarget) Rename(name, newName string) error      { return t.tree.Rename(t.id, name, newName) }

// Sync flushes, and tells of writes that were lost since the last call.
func (t *poolTarget) Sync() error {
	err := t.img.Flush()
	if lost, lostErr := t.img.Lost(); lost > t.lost {
		t.lost = lost
		err = errors.Join(lostErr, err)
	}
	return err
}

func (t *poolTarget) Snapshots() ([]string, error) {
	snaps, _, err := t.tree.List(t.id)
	names := make([]string, len(snaps))
	for i, s := range snaps {
		names[i] = s.Name
	}
	return names, err
}

func (t *poolTarget) Snap(name string) error {
	if err := t.Sync(); err != nil {
		return err
	}
	return t.tree.Create(t.id, name)
}

// OpenSnapshot opens the image as it was.
func (t *poolTarget) OpenSnapshot(name string) (Source, error) {
	s, _, err := t.tree.Find(t.id, name)
	if err != nil {
		return nil, err
	}
	f, err := t.tree.Open(t.id, s.ID)
	if err != nil {
		return nil, err
	}
	return source{read: f.ReadAt, size: f.size, release: func() { t.tree.Release(f) }}, nil
}

// OpenDiff opens the stream from an older snapshot.
func (t *poolTarget) OpenDiff(name, older string) (Source, error) {
	to, _, err := t.tree.Find(t.id, name)
	if err != nil {
		return nil, err
	}
	var from rbdio.Snapshot
	if older != "" {
		if from, _, err = t.tree.Find(t.id, older); err != nil {
			return nil, err
		}
	}
	s, err := t.tree.OpenStream(t.id, to.ID, from.ID)
	if err != nil {
		return nil, err
	}
	return source{read: s.ReadAt, size: s.Size(), release: func() { t.tree.ReleaseStream(s) }}, nil
}

// source is a Source of something that is released.
type source struct {
	read    func(p []byte, off uint64) (int, error)
	size    uint64
	release func()
}

// ReadAt reads as io.ReaderAt does.
func (s source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.read(p, uint64(off))
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Size returns the length in bytes.
func (s source) Size() uint64 { return s.size }

// Close releases it.
func (s source) Close() error {
	s.release()
	return nil
}
