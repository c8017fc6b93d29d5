package librbd

/*
#include "direct.h"
*/
import "C"

import (
	"strconv"
	"syscall"
)

// Writing behind is ours, in behind.c, and not librbd's. Its cache policies are
// not fit for a file system, measured on 16.2.15: writearound keeps the error of
// a write that failed before a flush began, and gives it to none or to a later one
// (src/librbd/cache/WriteAroundObjectDispatch.cc: flush), so that fsync succeeds
// and the data is lost; writeback and writethrough keep what was read for as long
// as the image is open, so that a reader does not see what another host has
// written and closed since.

// behindLimit is how many bytes of an image may be under way if the option
// rbd_cache_max_dirty, which is about the same, cannot be read: Ceph's default.
const behindLimit = 24 << 20

// behindTotal is how many bytes of all images together may be under way, so that
// memory is bounded however many are being written to.
const behindTotal = 192 << 20

// behindShare is how many bytes an image may have under way however many the others
// have: enough for a few large writes at once.
const behindShare = 4 << 20

// writeBehind has writes acknowledged before they are on the OSDs, if the mode of
// the cache says so.
func (i *image) writeBehind(mode Cache) error {
	if mode != WriteBack {
		return nil
	}
	limit, err := strconv.ParseUint(option(i.s.conn, "rbd_cache_max_dirty"), 10, 64)
	if err != nil {
		limit = behindLimit
	}
	i.behind = C.rbdfs_behind_new(i.handle, C.size_t(limit), &i.s.shared.behind)
	if i.behind == nil {
		return i.s.check(syscall.ENOMEM, "open %s", i.label)
	}
	return nil
}

// Lost tells how many acknowledged writes were lost, also after Close.
func (i *image) Lost() (count uint64, last error) {
	i.closeMu.Lock()
	defer i.closeMu.Unlock()
	if i.behind == nil {
		return i.lost, i.lostErr
	}
	return i.lostBehind()
}

// lostBehind is Lost while writing behind.
func (i *image) lostBehind() (uint64, error) {
	var errno C.int
	count := C.rbdfs_behind_lost(i.behind, &errno)
	return uint64(count), i.s.check(errnoOf(errno), "write to %s, acknowledged before", i.label)
}

// endBehind waits for what is written behind, and ends that.
func (i *image) endBehind() {
	if i.behind == nil {
		return
	}
	C.rbdfs_behind_flush(i.behind) // waits, so without the lock
	i.closeMu.Lock()
	defer i.closeMu.Unlock()
	i.lost, i.lostErr = i.lostBehind()
	C.rbdfs_behind_free(i.behind)
	i.behind = nil
}

// await waits for the writes to a range that are under way.
func (i *image) await(fileOff, length uint64) {
	if i.behind != nil {
		C.rbdfs_behind_await(i.behind, C.uint64_t(fileOff), C.uint64_t(length))
	}
}

// ReadAt fills p from the image, at fileOff, up to the image's end, after the
// writes to it that are under way.
//
// Calls rbd_read.
func (i *image) ReadAt(p []byte, fileOff uint64) (int, error) {
	if err := i.usable("read"); err != nil {
		return 0, err
	}
	i.await(fileOff, uint64(len(p)))
	return i.readImage.ReadAt(p, fileOff)
}
