package librbd

/*
#include <stdlib.h>
#include "cut.h"
#include "image.h"
*/
import "C"

import (
	"errors"
	"math"
	"syscall"
	"time"
	"unsafe"
)

// rbd_resize2 cannot be told to shrink only while this client has the exclusive lock:
// without it the resize is passed on to the owner, and one that loses the lock begins
// again when it has it back (ceph: src/librbd/Operations.cc: C_InvokeAsyncRequest).
// What the other client has written meanwhile would be cut off. So an image is cut by
// its header alone, as librbd does it in its last step, on the condition that nothing in
// the header has changed, the lock least of all. An object map that is longer than its
// image is no fault: librbd cuts the header before the map, too.

// unsafeToCut are the features with which a size that is not set by librbd does harm: a
// journal must have it, and so must an image that is being migrated.
const unsafeToCut = featureJournaling | featureMigrating

// MayGrowAhead tells whether CutBack works.
func (i *image) MayGrowAhead() bool { return i.features&unsafeToCut == 0 }

// errMoved says that the header has changed, so that all is to be looked at again.
var errMoved = errors.New("its header keeps changing")

// CutBack makes the image smaller if all behind size is zeros and no other client can
// have written. Each attempt looks again.
//
// Calls those of cutOnce.
func (i *image) CutBack(from, size uint64, empty func() (bool, error)) (cut bool, err error) {
	if err := i.usable("cut back"); err != nil {
		return false, err
	}
	if !i.MayGrowAhead() {
		return false, i.s.check(syscall.EOPNOTSUPP, "cut back %s", i.label)
	}
	for begin := time.Now(); ; time.Sleep(busyPause) {
		cut, err = i.cutOnce(from, size, empty)
		if !errors.Is(err, errMoved) {
			return cut, err
		}
		if time.Since(begin) > patience {
			return false, i.s.because(syscall.EBUSY, errMoved.Error(), "cut back %s to %d bytes", i.label, size)
		}
	}
}

// cutOnce cuts the image once, or answers errMoved.
//
// Calls rbd_is_exclusive_lock_owner, and rados_write_op_exec with set_size.
func (i *image) cutOnce(from, size uint64, empty func() (bool, error)) (bool, error) {
	version, err := i.headerVersion()
	if err != nil {
		return false, err
	}
	alone, err := i.ownsLock()
	if err != nil {
		return false, err
	}
	if !alone {
		return false, i.takeLock(from)
	}
	if now, err := i.Size(); err != nil || now > from || now < size {
		return false, err
	}
	behind := min((size+i.layout-1)/i.layout*i.layout, from)
	left, err := i.Extents(behind, from-behind)
	if err != nil {
		return false, err
	}
	if zeros, err := empty(); err != nil || !zeros {
		return false, err
	}
	if len(left) > 0 {
		return false, i.removeObjects(version, behind)
	}
	return i.cutHeader(version, size)
}

// takeLock takes the exclusive lock back if no other client has it. It answers errMoved
// when it has.
//
// Calls rbd_resize2 with the size that the image has.
func (i *image) takeLock(now uint64) error {
	if err := i.Grow(now); err != nil {
		return err
	}
	if alone, err := i.ownsLock(); err != nil || !alone {
		return err
	}
	return errMoved
}

// removeObjects removes objects of zeros that lie behind an object's end, which nobody
// could ever remove if the header alone were cut: what is left of a write that failed,
// or is another client's. It answers errMoved.
//
// Calls rbd_resize2, once, at the end of a look that nothing has disturbed.
func (i *image) removeObjects(version, behind uint64) error {
	i.await(behind, math.MaxUint64-behind)
	now, err := i.headerVersion()
	if err != nil {
		return err
	}
	if now != version {
		return errMoved
	}
	errno := errnoOf(C.rbdfs_resize(i.handle, C.uint64_t(behind), true))
	if errno == 0 || errno == syscall.EBUSY || errno == syscall.EINVAL {
		return errMoved
	}
	return i.s.check(errno, "resize %s to %d bytes", i.label, behind)
}

// headerVersion returns a number that grows with each change of the header.
//
// Calls rados_aio_read_op_operate and rados_aio_get_version.
func (i *image) headerVersion() (uint64, error) {
	oid := C.CString(headerObject(i.id))
	defer C.free(unsafe.Pointer(oid))
	var version C.uint64_t
	errno := errnoOf(C.rbdfs_version(C.rados_ioctx_t(i.s.io.Pointer()), oid, &version))
	return uint64(version), i.s.check(errno, "ask for the header of %s", i.label)
}

// cutHeader sets the size in the header if that has the version still, and has librbd
// read it.
//
// Calls rados_aio_write_op_operate with set_size, rados_aio_notify, and rbd_get_size.
func (i *image) cutHeader(version, size uint64) (bool, error) {
	oid := C.CString(headerObject(i.id))
	defer C.free(unsafe.Pointer(oid))
	errno := errnoOf(C.rbdfs_set_size(C.rados_ioctx_t(i.s.io.Pointer()), oid, C.uint64_t(version), C.uint64_t(size)))
	if errno == syscall.ERANGE {
		return false, errMoved
	}
	if err := i.s.check(errno, "cut back %s to %d bytes", i.label, size); err != nil {
		return false, err
	}
	now, err := i.Size()
	if err == nil && now != size {
		// librbd would let writes through that lie behind the end.
		err = i.Resize(size)
	}
	return err == nil, err
}
