package rbdio

import (
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// File is one open image, shared by all who have it open. It owns what librbd
// does not know: the logical size while the image is grown ahead of writes, the
// time of the last write, which extents were written. Its methods may overlap.
type File struct {
	id        string
	pool      Pool
	log       *slog.Logger
	noExtents bool
	gate      Gate

	// refs and removed belong to the table: Files.mu guards them.
	refs    int
	removed bool // in the trash; to be purged after the last Release

	// mu guards all that follows. It is never held across a call to the pool or
	// the image: a flag (switching, resizing) keeps others out meanwhile, and
	// changed tells them to look again.
	mu      sync.Mutex
	changed sync.Cond

	// The image, and who has it open. switching is set while it is opened, closed
	// or exchanged for one of the other mode.
	lease     *lease
	switching bool
	readers   int
	writers   int
	retiring  int  // exchanged images that are not closed yet
	held      bool // a removed image stays open for writing until the last Release
	fenced    bool // the cluster has cut this client off: no call goes through any more
	down      bool // shut down: it is not opened again

	// Sizes in bytes. size is what users see; physical is the image's, and larger
	// while growth runs ahead. resizing keeps writes out; writes counts those in
	// flight, and reads that must not see a resize; resizes counts those that this
	// client made.
	size     uint64
	physical uint64
	step     uint64
	full     bool // the pool has refused data, and has taken none since
	resizing bool
	resizes  uint64
	writes   int
	late     int // steps under way of calls that were given up; they keep writes out, too
	stills   int // Still of an image that was not open for writing; keeps writes out, too

	// What has passed by the gate is absorbed into these before they are used.
	passed   uint64 // Passed.Writes when that was last done
	dirty    bool   // written since the last flush
	writeGen uint64
	mtime    time.Time // the last write through this mount; zero before
	mtimeNew bool      // mtime is not in the image's header yet
	losses   losses

	// The header as last read, when, and after how many of our own changes to it:
	// flushes that found no newer write, attributes, another size. One from before
	// such a change is out of date. keeping is set while attributes are changed.
	info        Info
	infoAt      time.Time
	infoChanges uint64
	changes     uint64
	keeping     bool

	holes extentCache
}

func newFile(id string, pool Pool, noExtents bool, gate Gate, log *slog.Logger) *File {
	f := &File{id: id, pool: pool, noExtents: noExtents, gate: gate, log: log}
	f.changed.L = &f.mu
	return f
}

// ID returns the image's id.
func (f *File) ID() string { return f.id }

// acquire counts one more user, and opens the image in the mode that the users
// together need. It returns how many failures there were before.
func (f *File) acquire(write bool) (lost uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	if f.down {
		return 0, Errorf(syscall.EIO, "open image %s after the mount was shut down", f.id)
	}
	rw := write || f.held
	if f.lease == nil || rw && f.lease.rw == nil {
		if err := f.switchLocked(rw); err != nil {
			return 0, err
		}
	}
	if write {
		f.writers++
	} else {
		f.readers++
	}
	f.countLossesLocked(f.lease)
	return f.losses.count, nil
}

// release counts one user less. After the last writer the image is settled, and
// goes on read-only while there are readers; after the last user it is closed.
func (f *File) release(write bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	if write {
		f.writers--
	} else {
		f.readers--
	}
	switch {
	case f.lease == nil:
		return nil // shut down already
	case f.readers+f.writers == 0:
		f.held = false
		return f.closeLocked()
	case f.writers == 0 && write && !f.held && !f.fenced:
		err := f.lowerLocked()
		return first(f.losses.untold(), err)
	}
	return nil
}

// lowerLocked settles the image, and goes on with it read-only.
func (f *File) lowerLocked() error {
	f.switching = true
	f.mu.Unlock()
	f.gate.Close()
	err := f.clean()
	f.mu.Lock()
	f.switching = false
	f.changed.Broadcast()
	if err != nil {
		f.openGateLocked()
		return err
	}
	return f.switchLocked(false)
}

// hold keeps the image open for writing until the last Release, so that it has
// a watcher.
func (f *File) hold() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	if f.lease != nil && f.lease.rw == nil {
		if err := f.switchLocked(true); err != nil {
			return err
		}
	}
	f.held = true
	return nil
}

// unhold undoes hold.
func (f *File) unhold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	f.held = false
	if f.lease == nil || f.lease.rw == nil || f.writers > 0 || f.fenced {
		return
	}
	if err := f.lowerLocked(); err != nil {
		f.log.Warn("an image that only readers have open stays open for writing", "id", f.id, "error", err)
	}
}

// shut flushes and closes the image whoever uses it; later calls get EIO.
func (f *File) shut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	f.down = true
	if f.lease == nil {
		return nil
	}
	return f.closeLocked()
}

// closeLocked settles and closes the image, waiting for what is in flight and
// for those that it took the place of: then nothing is open any more.
func (f *File) closeLocked() error {
	f.switching = true
	l := f.lease
	f.mu.Unlock()
	f.gate.Close()
	err := f.clean()
	f.mu.Lock()
	f.lease = nil
	for l.refs > 0 || f.retiring > 0 {
		f.changed.Wait()
	}
	size, physical := f.size, f.physical
	f.mu.Unlock()
	if err == nil && l.rw != nil && size != physical { // by a write that shut has overtaken
		_, err = settleImage(l.rw, size, physical)
	}
	err = errors.Join(err, l.ReadImage.Close())
	f.mu.Lock()
	f.countLossesLocked(l)
	err = first(f.losses.untold(), err)
	f.switching = false
	f.changed.Broadcast()
	return err
}

// awaitSwitchLocked waits until nobody opens, closes or exchanges the image.
func (f *File) awaitSwitchLocked() {
	for f.switching {
		f.changed.Wait()
	}
}
