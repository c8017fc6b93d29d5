package librbd

/*
#include "direct.h"
#include "image.h"
*/
import "C"

import (
	"math"
	"syscall"
	"unsafe"

	"rbdfs/rbdio"
)

// zeroesAtOnce bounds one call that zeroes: librbd takes lengths below 2^31, and
// a shorter call is over sooner when something goes wrong.
const zeroesAtOnce = 1 << 30

// usable refuses an image that is closed, whose handle is freed memory, and one
// whose connection is blocklisted: librbd may go on answering from its cache.
func (i *readImage) usable(what string) error {
	if i.closed.Load() {
		return i.s.because(syscall.EBADF, "it is closed", "%s %s", what, i.label)
	}
	if i.s.fenced.Load() {
		return i.s.because(rbdio.Fenced, "the cluster has blocklisted this client since it was opened", "%s %s", what, i.label)
	}
	return nil
}

// ReadAt fills p from the image, at fileOff, up to the image's end.
//
// Calls rbd_read.
func (i *readImage) ReadAt(p []byte, fileOff uint64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := i.usable("read"); err != nil {
		return 0, err
	}
	n := C.rbd_read(i.handle, C.uint64_t(fileOff), C.size_t(len(p)), (*C.char)(unsafe.Pointer(&p[0])))
	if n == C.ssize_t(len(p)) {
		return len(p), nil
	}
	// EINVAL is how librbd says that the range begins behind the end.
	if n < 0 && n != -C.ssize_t(syscall.EINVAL) {
		return 0, i.s.check(syscall.Errno(-n), "read %d bytes at %d of %s", len(p), fileOff, i.label)
	}
	n = max(n, 0)
	size, err := i.Size()
	if err != nil {
		return 0, err
	}
	if fileOff+uint64(n) < size {
		return 0, i.s.because(syscall.EIO, "short read", "read %d bytes at %d of %s", len(p), fileOff, i.label)
	}
	return int(n), nil
}

// Size returns the image's size.
//
// Calls rbd_get_size.
func (i *readImage) Size() (uint64, error) {
	if err := i.usable("ask for the size of"); err != nil {
		return 0, err
	}
	var size C.uint64_t
	errno := errnoOf(C.rbd_get_size(i.handle, &size))
	return uint64(size), i.s.check(errno, "ask for the size of %s", i.label)
}

// WriteAt writes all of p at fileOff.
//
// Calls rbd_get_size if the header has changed, and rbd_write, or rbd_aio_write when
// writing behind: then Lost tells of an error that comes later.
func (i *image) WriteAt(p []byte, fileOff uint64) error {
	if len(p) == 0 {
		return nil
	}
	if err := i.usable("write"); err != nil {
		return err
	}
	if i.watched {
		if errno := errnoOf(C.rbdfs_direct_refresh(i.direct)); errno != 0 {
			return i.s.check(errno, "ask for the size of %s", i.label)
		}
	}
	if i.behind != nil {
		errno := errnoOf(C.rbdfs_behind_write(i.behind, C.uint64_t(fileOff), C.size_t(len(p)), (*C.char)(unsafe.Pointer(&p[0]))))
		return i.s.check(errno, "write %d bytes at %d of %s", len(p), fileOff, i.label)
	}
	n := C.rbd_write(i.handle, C.uint64_t(fileOff), C.size_t(len(p)), (*C.char)(unsafe.Pointer(&p[0])))
	return i.written(n, uint64(len(p)), "write %d bytes at %d of %s", len(p), fileOff)
}

// WriteZeroes makes [fileOff, fileOff+length) read as zeros, exactly.
//
// Calls rbd_write_zeroes.
func (i *image) WriteZeroes(fileOff, length uint64) error {
	if err := i.usable("zero"); err != nil {
		return err
	}
	i.await(fileOff, length)
	for length > 0 {
		n := zeroesStep(fileOff, length, i.layout)
		done := C.rbd_write_zeroes(i.handle, C.uint64_t(fileOff), C.size_t(n), 0, 0)
		if err := i.written(done, n, "zero %d bytes at %d of %s", int(n), fileOff); err != nil {
			return err
		}
		fileOff, length = fileOff+n, length-n
	}
	return nil
}

// zeroesStep is the length of the next call of WriteZeroes. All but the last end
// between two objects, so that no object is zeroed in parts and stays.
func zeroesStep(fileOff, length, layout uint64) uint64 {
	if length <= zeroesAtOnce {
		return length
	}
	if over := (fileOff + zeroesAtOnce) % layout; over < zeroesAtOnce {
		return zeroesAtOnce - over
	}
	return zeroesAtOnce
}

// written makes an error of what a writing call returned, which is to be length.
func (i *image) written(n C.ssize_t, length uint64, format string, bytes int, fileOff uint64) error {
	switch {
	case n < 0:
		return i.s.check(syscall.Errno(-n), format, bytes, fileOff, i.label)
	case uint64(n) != length:
		return i.s.because(syscall.EIO, "short write: the range is not inside the size", format, bytes, fileOff, i.label)
	}
	return nil
}

// shrinkStep is the number of objects, or of sets of striped ones, that librbd cuts off
// at once. It goes through them on the client's one thread for completions (see
// housekeeper), and for all of 64 TiB nothing of another image would be opened or made
// for 10 to 30 s. A step takes some 0.1 s.
const shrinkStep = 65536

// Resize sets the image's size; EFBIG. It shrinks in steps: an error can leave a size
// between.
//
// Calls rbd_get_size and rbd_resize2.
func (i *image) Resize(size uint64) error {
	for {
		now, err := i.Size()
		if err != nil {
			return err
		}
		next := size
		if step := shrinkStep * i.layout; now > size && now-size > step {
			next = now - step
			next = max(size, next-next%i.layout)
		}
		if err := i.resize(next, true); err != nil || next == size {
			return err
		}
	}
}

// Grow sets a larger size; EFBIG, also for an image that is larger already.
//
// Calls rbd_resize2.
func (i *image) Grow(size uint64) error { return i.resize(size, false) }

func (i *image) resize(size uint64, shrink bool) error {
	if err := i.usable("resize"); err != nil {
		return err
	}
	// librbd holds a write to the size when it is given it, and may do it after this.
	i.await(size, math.MaxUint64-size)
	errno := patiently(func() syscall.Errno {
		return errnoOf(C.rbdfs_resize(i.handle, C.uint64_t(size), C.bool(shrink)))
	})
	if errno == syscall.EINVAL {
		return i.s.because(syscall.EFBIG, "more than RBD can hold, or its object map",
			"resize %s to %d bytes", i.label, size)
	}
	return i.s.check(errno, "resize %s to %d bytes", i.label, size)
}

// Flush returns when all that was written before is on the OSDs or lost.
//
// Calls rbd_flush.
func (i *image) Flush() error {
	if err := i.usable("flush"); err != nil {
		return err
	}
	if i.behind != nil {
		C.rbdfs_behind_flush(i.behind)
	}
	return i.s.check(errnoOf(C.rbd_flush(i.handle)), "flush %s", i.label)
}
