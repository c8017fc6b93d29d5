package librbd

/*
#include <stdlib.h>
#include "direct.h"
#include "image.h"
*/
import "C"

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"rbdfs/rbdio"
)

var (
	_ rbdio.ReadImage = (*readImage)(nil)
	_ rbdio.Image     = (*image)(nil)
)

// readImage is an image open for reading. Its calls may overlap: librbd locks
// for itself.
type readImage struct {
	s        *session
	id       string
	snap     uint64 // or noSnap
	handle   C.rbd_image_t
	label    string // the name that it had when it was opened, quoted
	layout   uint64
	features uint64
	direct   *C.struct_rbdfs_direct // nil for an image that C code may not use
	closed   atomic.Bool
}

// image is an image open for reading and writing.
type image struct {
	readImage
	behind  *C.struct_rbdfs_behind // nil when a write waits for the OSDs
	watched bool                   // direct is told of changes of the header

	closeMu sync.Mutex // guards the end of behind, and what that leaves
	lost    uint64
	lostErr error
}

// OpenReadOnly opens an image for reading; ENOENT, EPERM, EOPNOTSUPP. It leaves no
// watcher.
//
// Calls rbd_open_by_id_read_only, and those of keepRules.
func (p *Pool) OpenReadOnly(id string) (rbdio.ReadImage, error) {
	var opened *readImage
	err := p.read(func(s *session) error {
		img := &readImage{}
		if err := p.open(s, id, noSnap, img, true); err != nil {
			return err
		}
		if _, err := img.keepRules(false); err != nil {
			img.Close()
			return err
		}
		img.newDirect(nil)
		opened = img
		return nil
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Open opens an image for reading and writing; ENOENT, EROFS, EACCES, EBUSY,
// EOPNOTSUPP.
//
// Calls rbd_open_by_id, and rbd_lock_acquire for Config.Exclusive.
func (p *Pool) Open(id string) (rbdio.Image, error) {
	if p.cfg.ReadOnly {
		return nil, &rbdio.Error{Op: "open image " + id + " for writing", Errno: syscall.EROFS, Why: "the pool is mounted read-only"}
	}
	var opened *image
	err := p.read(func(s *session) error {
		img := &image{}
		err := p.open(s, id, noSnap, &img.readImage, false)
		if err == nil {
			err = img.prepare(p.cfg)
			if err != nil {
				img.Close()
			}
		}
		opened = img
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// prepare makes an image that was just opened ready to be written to.
//
// Calls rbd_update_watch, and those of admit and keepRules.
func (i *image) prepare(cfg Config) error {
	if err := i.admit(cfg.Exclusive); err != nil {
		return err
	}
	if slow, err := i.keepRules(true); err != nil || slow {
		return err
	}
	if err := i.writeBehind(cfg.Cache); err != nil {
		return err
	}
	i.newDirect(i.behind)
	errno := errnoOf(C.rbdfs_direct_watch(i.direct))
	i.watched = errno == 0
	return i.s.check(errno, "watch the header of %s", i.label)
}

// open opens an image on a session, as of a snapshot or noSnap, and keeps the
// session in use until it is closed.
func (p *Pool) open(s *session, id string, snap uint64, img *readImage, readOnly bool) error {
	cID := C.CString(id)
	defer C.free(unsafe.Pointer(cID))
	var facts C.struct_rbdfs_facts
	ret := C.rbdfs_open(C.rados_ioctx_t(s.io.Pointer()), cID, C.uint64_t(snap), C.bool(readOnly), &img.handle, &facts)
	if errno := errnoOf(ret); errno != 0 {
		if errno == syscall.EPERM {
			errno = syscall.EACCES
		}
		if errno == syscall.ENOSYS {
			return s.because(errno, "this librbd lacks a feature that it has, or a plugin that the option rbd_plugins names; "+
				"\"rbd config pool rm\" or \"rbd config image rm\" removes the option", "open image %s", id)
		}
		return s.check(errno, "open image %s", id)
	}
	img.s, img.id, img.snap = s, id, snap
	img.label = quote(first(C.GoString(&facts.name[0]), id))
	img.layout = uint64(facts.layout)
	img.features = uint64(facts.features)
	p.mu.Lock()
	s.users++
	p.mu.Unlock()
	return nil
}

// Close ends the use of the image. A second call does nothing.
//
// Calls rbd_close.
func (i *readImage) Close() error {
	if i.closed.Swap(true) {
		return nil
	}
	defer i.s.pool.release(i.s)
	defer C.free(unsafe.Pointer(i.direct))
	return i.s.check(errnoOf(C.rbd_close(i.handle)), "close %s", i.label)
}

// Close flushes what was written, and ends the use of the image. Its error says
// that the flush failed; Lost tells of writes that did. A second call does nothing.
//
// Calls rbd_flush, rbd_update_unwatch and rbd_close.
func (i *image) Close() error {
	if i.closed.Load() {
		return nil
	}
	// rbd_close flushes too, but does not always say how that went.
	err := i.Flush()
	i.endBehind()
	if i.watched {
		C.rbdfs_direct_unwatch(i.direct)
		i.watched = false
	}
	if closeErr := i.readImage.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Layout returns the object size times the stripe count.
//
// Calls rbd_stat and rbd_get_stripe_count, when opening.
func (i *readImage) Layout() uint64 { return i.layout }

// admit refuses an image that only seems to be open for writing, and keeps its
// exclusive lock if asked to.
func (i *image) admit(exclusive bool) error {
	const nonPrimary = "it is the mirror of an image of another cluster; promote it to write"
	if i.features&featureNonPrimary != 0 {
		return i.s.because(syscall.EROFS, nonPrimary, "open %s for writing", i.label)
	}
	if i.features&featureJournaling != 0 {
		var secondary C.bool
		if errno := errnoOf(C.rbdfs_mirror_secondary(i.handle, &secondary)); errno != 0 {
			return i.s.check(errno, "open %s for writing: ask for its mirroring", i.label)
		}
		if secondary {
			return i.s.because(syscall.EROFS, nonPrimary, "open %s for writing", i.label)
		}
	}
	if i.features&featureDirtyCache != 0 {
		return i.s.because(syscall.EBUSY, "what was written to it last is in the persistent cache of the host that wrote it; "+
			"open and close it there, or \"rbd persistent-cache invalidate\" gives that up", "open %s for writing", i.label)
	}
	if exclusive {
		return i.lock()
	}
	return nil
}

// lock keeps the exclusive lock from all others until the image is closed.
//
// Calls rbd_lock_acquire.
func (i *image) lock() error {
	if i.features&featureExclusiveLock == 0 {
		return i.s.because(syscall.EOPNOTSUPP,
			"it has no exclusive-lock feature; rbd feature enable adds it", "keep the lock of %s", i.label)
	}
	errno := errnoOf(C.rbd_lock_acquire(i.handle, C.RBD_LOCK_MODE_EXCLUSIVE))
	switch errno {
	case syscall.EROFS, syscall.EBUSY, syscall.EAGAIN:
		return i.s.because(syscall.EBUSY, "another client keeps its exclusive lock", "open %s for writing", i.label)
	}
	return i.s.check(errno, "keep the lock of %s", i.label)
}

// ownsLock tells whether this client alone can write to the image: true also for one
// without the exclusive-lock feature, which whoever likes may write to.
//
// Calls rbd_is_exclusive_lock_owner, which asks the OSD.
func (i *image) ownsLock() (bool, error) {
	if i.features&featureExclusiveLock == 0 {
		return true, nil
	}
	if err := i.usable("ask for the lock of"); err != nil {
		return false, err
	}
	var owner C.int
	errno := errnoOf(C.rbd_is_exclusive_lock_owner(i.handle, &owner))
	return owner != 0, i.s.check(errno, "ask for the lock of %s", i.label)
}
