package rbdio

import (
	"errors"
	"slices"
	"syscall"
)

// A resize costs milliseconds, so a file that is written past its end grows
// ahead of the writes, in steps that double. What is too much is given back by
// Settle. After a crash at most one step of zeros stands behind the data.
const (
	firstStep = 4 << 20
	maxStep   = 1 << 30
)

// Size returns the file's size in bytes.
func (f *File) Size() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// growLocked makes the image reach to end at least, and returns when nobody
// resizes it, so that a write may begin.
func (f *File) growLocked(l *lease, end uint64) error {
	for f.resizing || end > f.physical {
		if f.resizing {
			f.changed.Wait()
			continue
		}
		physical, step := f.physical, f.nextStepLocked(l)
		f.resizing = true
		f.mu.Unlock()
		now, ours, err := growImage(l.rw, physical, end, step)
		f.mu.Lock()
		f.resumeLocked()
		if err != nil {
			return tooLarge(err, end)
		}
		f.physical, f.step = now, step
		if !ours {
			f.size = now
			f.holes.forget()
		}
	}
	return nil
}

// nextStepLocked returns how far to grow ahead of a write: twice as far as the last
// time, but not at all where that could not be undone, or where the pool has just
// refused data, so that the next write is likely to fail.
func (f *File) nextStepLocked(l *lease) uint64 {
	if f.full || !l.rw.MayGrowAhead() {
		return 0
	}
	return min(max(2*f.step, firstStep), maxStep)
}

// growImage makes an image reach to end and a step further, and returns the size
// that it then has. When another client has resized it meanwhile, that size is
// returned and not ours.
func growImage(img Image, physical, end, step uint64) (size uint64, ours bool, err error) {
	target, ok := addOffset(end, step)
	if !ok {
		target = end
	}
	err = img.Grow(target)
	if err == nil || IsFenced(err) {
		return target, true, err
	}
	// Larger already, or near a limit, where only the exact size may fit.
	now, sizeErr := img.Size()
	if sizeErr != nil || now != physical {
		return now, false, sizeErr
	}
	return end, true, img.Grow(end)
}

// tooLarge turns librbd's refusal of a size past its limit, which is EINVAL or
// EFBIG by release, into EFBIG.
func tooLarge(err error, size uint64) error {
	if errors.Is(err, syscall.EINVAL) {
		return &Error{Op: err.Error(), Errno: syscall.EFBIG}
	}
	return err
}

// quietLocked keeps new writes out and waits for those in flight; the caller
// ends that with resumeLocked.
func (f *File) quietLocked() {
	for f.resizing || f.stills > 0 || f.late > 0 {
		f.changed.Wait()
	}
	f.resizing = true
	f.mu.Unlock()
	f.gate.Close()
	f.mu.Lock()
	for f.writes > 0 {
		f.changed.Wait()
	}
}

func (f *File) resumeLocked() {
	f.resizing = false
	f.resizes++
	f.openGateLocked()
	f.changed.Broadcast()
}

// truncate is Handle.Truncate.
func (f *File) truncate(call *Call, size uint64) error {
	l, err := f.useWritable()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quietLocked()
	defer f.resumeLocked()
	if err := call.begin(f); err != nil {
		f.doneLocked(l, err)
		return err
	}
	f.mu.Unlock()
	err = l.rw.Resize(size)
	f.mu.Lock()
	call.end(f)
	defer f.doneLocked(l, err)
	if err != nil {
		f.mu.Unlock()
		now, sizeErr := l.rw.Size() // a part may be cut off
		f.mu.Lock()
		if sizeErr == nil && now < f.physical {
			f.size, f.physical, f.step = min(f.size, now), now, 0
			f.wroteLocked()
			f.holes.forget()
		}
		return tooLarge(err, size)
	}
	f.size, f.physical, f.step = size, size, 0
	f.wroteLocked()
	f.holes.forget()
	return nil
}

// extend is Handle.Extend.
func (f *File) extend(call *Call, end uint64) error {
	f.mu.Lock()
	long := end <= f.size
	f.mu.Unlock()
	if long {
		return nil
	}
	l, err := f.beginWrite(call, end, end)
	if err != nil {
		return err
	}
	f.endWrite(call, l, end, nil)
	return nil
}

// Settle gives the image the file's size, where growth went ahead of it. When
// the image was resized or written by another client meanwhile, that client is
// right and nothing is cut off.
func (f *File) Settle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease == nil || f.lease.rw == nil || f.size == f.physical {
		return nil
	}
	l, err := f.useLocked()
	if err != nil {
		return err
	}
	f.quietLocked()
	defer f.resumeLocked()
	if f.size == f.physical {
		f.doneLocked(l, nil)
		return nil
	}
	size, physical := f.size, f.physical
	f.mu.Unlock()
	size, err = settleImage(l.rw, size, physical)
	f.mu.Lock()
	f.doneLocked(l, err)
	if err == nil {
		f.size, f.physical, f.step = size, size, 0
	}
	return err
}

// settleImage cuts what an image grew ahead of its file, and returns the size
// that it then has.
func settleImage(img Image, size, physical uint64) (uint64, error) {
	now, err := img.Size()
	if err != nil || now != physical {
		return now, err
	}
	cut, err := img.CutBack(physical, size, func() (bool, error) {
		theirs, err := holdsData(img, size, physical)
		return !theirs, err
	})
	if err != nil {
		return 0, err
	}
	if !cut {
		return img.Size()
	}
	return size, nil
}

// holdsData tells whether a byte of [off, end) is not zero. This client has
// written none there, so another one has, although it may have given the
// exclusive lock back since.
func holdsData(img ReadImage, off, end uint64) (bool, error) {
	extents, err := img.Extents(off, end-off)
	if err != nil {
		return false, err
	}
	for _, e := range extents {
		for at := e.Off; at < e.End(); {
			p := make([]byte, min(copyChunk, e.End()-at))
			n, err := img.ReadAt(p, at)
			if err != nil || n == 0 {
				return false, err
			}
			if slices.ContainsFunc(p[:n], func(b byte) bool { return b != 0 }) {
				return true, nil
			}
			at += uint64(n)
		}
	}
	return false, nil
}

// refreshSize takes over a size that another client gave the image, if it is open.
func (f *File) refreshSize() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease == nil {
		return nil
	}
	l, err := f.useLocked()
	if err != nil {
		return err
	}
	resizes := f.resizes
	f.mu.Unlock()
	now, err := l.Size()
	f.mu.Lock()
	f.doneLocked(l, err)
	ours := f.resizing || f.resizes != resizes || f.lease != l
	if err == nil && now != f.physical && !ours {
		f.size, f.physical = now, now
		f.holes.forget()
		f.openGateLocked()
	}
	return err
}
