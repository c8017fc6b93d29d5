package memrbd

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// Foreign is another client of the pool. What it does is neither scripted nor
// counted, and durable at once.
type Foreign struct{ pool *Pool }

// Foreign returns another client of the pool.
func (p *Pool) Foreign() Foreign { return Foreign{p} }

// Create makes an empty image of a size.
func (f Foreign) Create(name string, size uint64) (id string, err error) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	if id, err = f.pool.createLocked(name); err != nil {
		return "", err
	}
	return id, f.pool.resizeLocked(f.pool.images[id], size)
}

// Rename changes an image's name.
func (f Foreign) Rename(name, newName string) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	return f.pool.renameLocked(name, newName)
}

// Remove moves an image to the trash, as a user of rbd trash mv does.
func (f Foreign) Remove(name string, expires time.Time) (id string, err error) {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	return f.pool.removeLocked(name, expires, false)
}

// Delete removes an image and its data, as rbd rm does; EBUSY while it has a
// watcher. Who has it open for reading then reads zeros.
func (f Foreign) Delete(name string) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	img := f.pool.names[name]
	if img == nil {
		return rbdio.Errorf(syscall.ENOENT, "delete %q", name)
	}
	if ours, others := f.pool.watchersLocked(img); ours+others > 0 {
		return rbdio.Errorf(syscall.EBUSY, "delete %q", name)
	}
	delete(f.pool.names, name)
	f.pool.changeLocked(rbdio.ListImages)
	f.pool.deleteLocked(img)
	clear(img.durable.data)
	return nil
}

// Resize sets an image's size.
func (f Foreign) Resize(id string, size uint64) error {
	return f.change(id, func(img *image) error { return f.pool.resizeLocked(img, size) })
}

// Write writes p to an image, which grows if need be.
func (f Foreign) Write(id string, p []byte, fileOff uint64) error {
	return f.change(id, func(img *image) error {
		if end := fileOff + uint64(len(p)); end > img.size {
			if err := f.pool.resizeLocked(img, end); err != nil {
				return err
			}
		}
		img.durable.writeAt(p, fileOff)
		advance(&img.modified, f.pool.options.Now())
		return nil
	})
}

// Watch gives an image a watcher, as opening it for writing does, until release
// is called.
func (f Foreign) Watch(id string) (release func(), err error) {
	if err := f.change(id, func(img *image) error { img.watchers++; return nil }); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = f.change(id, func(img *image) error { img.watchers--; return nil })
	}), nil
}

// Snapshot takes a snapshot of an image.
func (f Foreign) Snapshot(id, name string) error {
	return f.change(id, func(img *image) error { return f.pool.snapshotLocked(img, name) })
}

// RemoveSnapshot removes a snapshot of an image.
func (f Foreign) RemoveSnapshot(id, name string) error {
	return f.change(id, func(img *image) error { return img.removeSnapshotLocked(name) })
}

// SetSnapshots gives an image n snapshots in place of those that it has.
func (f Foreign) SetSnapshots(id string, n int) error {
	return f.change(id, func(img *image) error {
		img.snaps = nil
		for i := range n {
			if err := f.pool.snapshotLocked(img, fmt.Sprint("snapshot", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetClones gives a snapshot n clones, which are known only in that it cannot be
// removed.
func (f Foreign) SetClones(id, name string, n int) error {
	return f.change(id, func(img *image) error {
		s, err := img.snapshotLocked("change", name)
		if err == nil {
			s.clones = n
		}
		return err
	})
}

// SetLock takes an image's exclusive lock, or gives it back: without it,
// CutBack does nothing. To refuse an open, script EBUSY.
func (f Foreign) SetLock(id string, held bool) error {
	return f.change(id, func(img *image) error { img.foreignLock = held; return nil })
}

// SetObjectMapInvalid makes an image's object map and fast diff invalid, or
// valid again.
func (f Foreign) SetObjectMapInvalid(id string, invalid bool) error {
	return f.change(id, func(img *image) error { img.invalidMap = invalid; return nil })
}

// change calls do with an image, its pool locked.
func (f Foreign) change(id string, do func(*image) error) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	img, err := f.pool.imageLocked("change", id)
	if err != nil {
		return err
	}
	img.foreignChanges++
	return do(img)
}
