package rbdio

import (
	"sync/atomic"
	"syscall"
)

// Handle is one open file description of an image: what one open(2) makes, and
// dup(2) and fork(2) share. Each of its calls holds a reference to the File until it
// returns, also when the kernel's request was given up and Release came meanwhile.
// Calls may overlap.
type Handle struct {
	table *Files
	file  *File
	write bool

	released bool // Files.mu guards it

	// told is how many failures (losses) Fsync has told through this handle, or there
	// were when it was opened.
	told atomic.Uint64
}

// begin begins a call; EBADF after Release. end ends it.
func (h *Handle) begin() error {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	if h.released {
		return Errorf(syscall.EBADF, "use image %s after its file was closed", h.file.id)
	}
	h.file.refs++
	return nil
}

func (h *Handle) end() { h.table.drop(h.file) }

// beginChange is begin for a call that changes the file; EBADF when it is open for
// reading.
func (h *Handle) beginChange() error {
	if !h.write {
		return Errorf(syscall.EBADF, "write to image %s, open for reading", h.file.id)
	}
	return h.begin()
}

// do runs one call.
func (h *Handle) do(call func() error) error {
	if err := h.begin(); err != nil {
		return err
	}
	defer h.end()
	return call()
}

// change is do for a call that changes the file.
func (h *Handle) change(call func() error) error {
	if err := h.beginChange(); err != nil {
		return err
	}
	defer h.end()
	return call()
}

// ID returns the image's id.
func (h *Handle) ID() string { return h.file.id }

// ReadAt fills p from the file at fileOff, and returns less than len(p) bytes only at
// the file's end.
func (h *Handle) ReadAt(p []byte, fileOff uint64) (int, error) {
	if err := h.begin(); err != nil {
		return 0, err
	}
	defer h.end()
	return h.file.readAt(p, fileOff)
}

// WriteAt writes all of p at fileOff, growing the file as needed.
func (h *Handle) WriteAt(p []byte, fileOff uint64) error { return h.WriteFor(nil, p, fileOff) }

// WriteFor is WriteAt for a request that may be given up; EINTR when that was before it
// began.
func (h *Handle) WriteFor(call *Call, p []byte, fileOff uint64) error {
	if err := h.beginChange(); err != nil {
		return err
	}
	defer h.end()
	return h.file.writeAt(call, p, fileOff)
}

// Zero makes [fileOff, fileOff+length) read as zeros and frees the whole objects in
// it. What lies behind the file's end is left out.
func (h *Handle) Zero(fileOff, length uint64) error {
	return h.change(func() error { return h.file.zero(nil, fileOff, length) })
}

// Extend makes the file reach to end at least, with zeros behind its old end.
func (h *Handle) Extend(end uint64) error {
	return h.change(func() error { return h.file.extend(nil, end) })
}

// Truncate sets the file's size in bytes; EFBIG past RBD's limit.
func (h *Handle) Truncate(size uint64) error {
	return h.change(func() error { return h.file.truncate(nil, size) })
}

// SeekData returns the first byte at or after fileOff that may hold data; ENXIO when
// there is none.
func (h *Handle) SeekData(fileOff uint64) (pos uint64, err error) {
	err = h.do(func() (err error) { pos, err = h.file.seekData(fileOff); return err })
	return pos, err
}

// SeekHole returns the first byte at or after fileOff that is in a hole, or the file's
// size; ENXIO when fileOff is not in the file.
func (h *Handle) SeekHole(fileOff uint64) (pos uint64, err error) {
	err = h.do(func() (err error) { pos, err = h.file.seekHole(fileOff); return err })
	return pos, err
}

// CopyRange copies length bytes at fileOff to dstOff in dst, holes as holes, and
// returns how many it copied: less than length at the end of the file, or before an
// error. The ranges must not overlap in one file.
func (h *Handle) CopyRange(fileOff uint64, dst *Handle, dstOff, length uint64) (copied uint64, err error) {
	return dst.For(nil).CopyFrom(h, fileOff, dstOff, length)
}

// Stat is File.Stat.
func (h *Handle) Stat() (info Info, err error) {
	err = h.do(func() (err error) { info, err = h.file.Stat(); return err })
	return info, err
}

// Size returns the file's size in bytes.
func (h *Handle) Size() uint64 { return h.file.Size() }

// Fsync returns when all that was written before is on the OSDs, and the image has
// the file's size. Its error tells every failure since the last Fsync of this handle
// that was over before this one began, or since the handle was opened. So calls that
// overlap all tell, and none takes an error from another handle.
func (h *Handle) Fsync() error {
	return h.do(func() error {
		since := h.told.Load()
		err := h.file.fsync()
		count, lost := h.file.lostSince(since)
		h.file.toldLost(count)
		h.advance(count)
		return first(lost, err)
	})
}

// Flush is Fsync for close(2). It also keeps the time of the last write with the
// image, so that other hosts and the next mount see the same time. Fsync tells again
// what it has told: the close may be that of a descriptor that fork(2) or dup(2) made.
func (h *Handle) Flush() error {
	return h.do(func() error {
		since := h.told.Load() // and no advance
		err := h.file.clean()
		count, lost := h.file.lostSince(since)
		h.file.toldLost(count)
		return first(lost, err)
	})
}

// Lost tells, without waiting, of the failures so far that Fsync has not told.
func (h *Handle) Lost() error {
	return h.do(func() error {
		_, lost := h.file.lostSince(h.told.Load())
		return lost
	})
}

// advance moves the handle's place in the count of failures forward.
func (h *Handle) advance(count uint64) {
	for {
		told := h.told.Load()
		if told >= count || h.told.CompareAndSwap(told, count) {
			return
		}
	}
}

// Release ends the handle. At an image's last one the image is settled, flushed and
// closed, and purged if it was removed meanwhile. The error is the first that kept
// written data from the OSDs and that nobody was told. A second call does nothing.
func (h *Handle) Release() error {
	h.table.mu.Lock()
	released := h.released
	h.released = true
	h.table.mu.Unlock()
	if released {
		return nil
	}
	err := h.file.release(h.write)
	h.table.drop(h.file)
	return err
}

// first returns the first error that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
