package snapshots

import (
	"errors"
	"slices"
	"sync"
	"syscall"

	"rbdfs/rbdio"
)

// File is one open snapshot, shared by all who have it open. Its methods may
// overlap.
type File struct {
	tree *Tree
	key  key
	from func() (rbdio.SnapshotImage, error) // opens the image

	// img, size and err are set before opened is closed.
	opened chan struct{}
	img    rbdio.SnapshotImage
	size   uint64
	err    error

	// The table's: Tree.mu guards them.
	refs int
	dead bool // removed, or cut off: the next Open gets another File

	mu     sync.Mutex // guards the rest
	uses   int        // calls in flight
	closed bool       // no calls any more; the last one in flight closes img
	holes  holes
}

// Open returns an open snapshot; ENOENT. Each Open is ended by one Release.
func (t *Tree) Open(imageID string, snapID uint64) (*File, error) {
	return t.share(key{imageID, snapID}, func() (rbdio.SnapshotImage, error) { return t.pool.OpenSnapshot(imageID, snapID) })
}

// share returns the File of a snapshot, which is opened by from if it is not open.
func (t *Tree) share(k key, from func() (rbdio.SnapshotImage, error)) (*File, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, rbdio.Errorf(syscall.EIO, "open a snapshot of image %s after the mount was shut down", k.image)
	}
	f := t.open[k]
	if f == nil || f.dead {
		f = &File{tree: t, key: k, from: from, opened: make(chan struct{})}
		t.open[k] = f
		t.all[f] = struct{}{}
		t.closing.Add(1)
		go f.start()
	}
	f.refs++
	t.mu.Unlock()
	<-f.opened
	if f.err != nil {
		t.Release(f)
		return nil, f.err
	}
	return f, nil
}

// start opens the image.
func (f *File) start() {
	defer close(f.opened)
	if f.img, f.err = f.from(); f.err != nil {
		f.tree.bury(f)
		return
	}
	if f.size, f.err = f.img.Size(); f.err != nil {
		f.tree.bury(f)
	}
}

// Release ends one Open; the last one closes the image.
func (t *Tree) Release(f *File) {
	t.mu.Lock()
	f.refs--
	last := f.refs == 0
	if last && t.open[f.key] == f {
		delete(t.open, f.key)
	}
	t.mu.Unlock()
	if last {
		f.close()
	}
}

// bury has the next Open get another File.
func (t *Tree) bury(f *File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.dead = true
}

// OpenImages returns the ids of the images that snapshots are open of, sorted.
func (t *Tree) OpenImages() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	for f := range t.all {
		ids = append(ids, f.key.image)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Close closes every snapshot, whoever still has it open, and returns when that
// is done; nothing can be opened any more.
func (t *Tree) Close() {
	t.mu.Lock()
	t.closed = true
	var all []*File
	for f := range t.all {
		all = append(all, f)
	}
	t.mu.Unlock()
	for _, f := range all {
		<-f.opened
		f.close()
	}
	t.closing.Wait()
}

// close closes the image when its last call has returned.
func (f *File) close() {
	f.mu.Lock()
	first := !f.closed
	f.closed = true
	idle := f.uses == 0
	f.mu.Unlock()
	if first && idle {
		f.shut()
	}
}

// shut closes the image.
func (f *File) shut() {
	if f.img != nil {
		if err := f.img.Close(); err != nil && !rbdio.IsFenced(err) {
			f.tree.log.Warn("closing a snapshot", "id", f.key.image, "error", err)
		}
	}
	f.tree.mu.Lock()
	delete(f.tree.all, f)
	f.tree.mu.Unlock()
	f.tree.closing.Done()
}

// use begins a call to the image; done ends it.
func (f *File) use() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return rbdio.Errorf(syscall.EIO, "use a snapshot of image %s after it was closed", f.key.image)
	}
	f.uses++
	return nil
}

func (f *File) done(err error) {
	if errors.Is(err, syscall.ESTALE) || rbdio.IsFenced(err) {
		f.tree.bury(f)
	}
	f.mu.Lock()
	f.uses--
	last := f.closed && f.uses == 0
	f.mu.Unlock()
	if last {
		f.shut()
	}
}

// ImageID returns the id of the snapshot's image, or rbdio.Member.ImageKey.
func (f *File) ImageID() string { return f.key.image }

// ReadAt fills p from the snapshot at fileOff, and returns less than len(p) bytes
// only at its end; ESTALE when the snapshot was removed.
func (f *File) ReadAt(p []byte, fileOff uint64) (int, error) {
	if fileOff >= f.size {
		return 0, nil
	}
	p = p[:min(uint64(len(p)), f.size-fileOff)]
	if err := f.use(); err != nil {
		return 0, err
	}
	n, err := f.img.ReadAt(p, fileOff)
	f.done(err)
	if err == nil && n != len(p) {
		return 0, rbdio.Errorf(syscall.EIO, "read a snapshot of image %s at %d: it ends before its size", f.key.image, fileOff)
	}
	return n, err
}
