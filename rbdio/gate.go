package rbdio

import (
	"time"
	"unsafe"
)

// Direct is an open image as C code sees it (datapath.h): a table of functions, and
// the image that they take. It is zero for an image that C cannot use.
type Direct struct {
	Calls unsafe.Pointer // *struct rbdfs_io_calls
	Image unsafe.Pointer // their first argument
}

// Gate lets reads and writes of one image pass by its File, on a way that is
// faster and not made in Go. It is the File that opens and shuts it, and what has
// passed counts as if it had gone through the File. Its methods may overlap.
type Gate interface {
	// Open lets requests to [0, size) of img pass, size in bytes. It may be called
	// again with another size, but with another image only after Close. period is
	// the image's Layout.
	Open(img Direct, period, size uint64)
	// Shut lets no request in any more, and does not wait for those in flight.
	Shut()
	// Close is Shut, and returns when no request is in flight.
	Close()
	// Passed tells of the writes that have passed.
	Passed() Passed
	// TakeWritten calls each with the ranges, in bytes, that were written since it
	// was last called, and more: whole periods at least.
	TakeWritten(each func(fileOff, length uint64))
	// Free ends the use of the gate. It must be closed.
	Free()
}

// Passed is what has gone through a Gate. Writes is read before Writing, so that a
// write that is in neither had not begun.
type Passed struct {
	Writes  uint64    // grows when a write begins, before TakeWritten tells of it, and when it is over
	Writing uint64    // writes that have begun and are not over
	At      time.Time // when a write last began or was over
}

// noGate is the Gate of a File that all requests go through.
type noGate struct{}

func (noGate) Open(Direct, uint64, uint64)      {}
func (noGate) Shut()                            {}
func (noGate) Close()                           {}
func (noGate) Passed() Passed                   { return Passed{} }
func (noGate) TakeWritten(func(uint64, uint64)) {}
func (noGate) Free()                            {}

// openGateLocked lets requests pass by the File, or goes on doing so with its
// present size, unless one of those things is under way that need all of them here.
func (f *File) openGateLocked() {
	if f.lease == nil || f.switching || f.resizing || f.stills > 0 || f.late > 0 || f.fenced || f.down {
		return
	}
	if img := f.lease.Direct(); img.Calls != nil {
		f.absorbLocked()
		f.gate.Open(img, f.lease.Layout(), f.size)
	}
}

// absorbLocked counts the writes that have passed by the gate as the File's own. It
// comes before all that asks or changes what is known of writes.
func (f *File) absorbLocked() (writing bool) {
	p := f.gate.Passed()
	if p.Writes != f.passed {
		f.passed = p.Writes
		f.dirty = true
		f.writeGen++
		f.mtime = p.At
		f.mtimeNew = true
		if f.lease != nil {
			period := f.lease.Layout()
			f.gate.TakeWritten(func(fileOff, length uint64) { f.holes.wrote(fileOff, fileOff+length, period) })
		}
	}
	return p.Writing > 0
}
