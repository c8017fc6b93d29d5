package rbdio

import (
	"errors"
	"syscall"
	"time"
)

// readAt is Handle.ReadAt.
func (f *File) readAt(p []byte, fileOff uint64) (int, error) {
	got, want, err := f.readOnce(p, fileOff, false)
	for range 2 {
		if err != nil || got == want {
			return got, err
		}
		// The image ends before its file does: it is being made smaller, by
		// another client or by Truncate, which now has to wait.
		if err := f.refreshSize(); err != nil {
			return 0, err
		}
		got, want, err = f.readOnce(p, fileOff, true)
	}
	if err == nil && got != want {
		return 0, Errorf(syscall.EIO, "read image %s at %d: it ends before its size", f.id, fileOff)
	}
	return got, err
}

// readOnce reads what of the file is in the range of p, and returns how many
// bytes the image had and how many the file has. When still is set, this mount
// does not make the image smaller meanwhile.
func (f *File) readOnce(p []byte, fileOff uint64, still bool) (got, want int, err error) {
	f.mu.Lock()
	for still && f.resizing {
		f.changed.Wait()
	}
	l, err := f.useLocked()
	if err != nil {
		f.mu.Unlock()
		return 0, 0, err
	}
	if still {
		f.writes++ // a resize waits for it as for a write
	}
	want = int(clip(fileOff, uint64(len(p)), f.size))
	f.mu.Unlock()
	if want > 0 {
		got, err = l.ReadAt(p[:want], fileOff)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if still {
		f.writes--
		f.changed.Broadcast()
	}
	f.doneLocked(l, err)
	return got, want, err
}

// writeAt is Handle.WriteAt.
func (f *File) writeAt(call *Call, p []byte, fileOff uint64) error {
	if len(p) == 0 {
		return nil // write(2): it does not even grow the file
	}
	end, ok := addOffset(fileOff, uint64(len(p)))
	if !ok {
		return Errorf(syscall.EFBIG, "write to image %s at %d", f.id, fileOff)
	}
	err := f.writeOnce(call, p, fileOff, end)
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	// librbd refuses to write behind the image's end: another client has made
	// it smaller than it was when the room was checked.
	if err := f.refreshSize(); err != nil {
		return err
	}
	return f.writeOnce(call, p, fileOff, end)
}

func (f *File) writeOnce(call *Call, p []byte, fileOff, end uint64) error {
	l, err := f.beginWrite(call, fileOff, end)
	if err != nil {
		return err
	}
	mayNotFit, lost := f.mayNotFit(end)
	err = l.rw.WriteAt(p, fileOff)
	if err == nil && mayNotFit {
		err = f.flushedSince(l, lost)
	}
	f.endWrite(call, l, end, err)
	return err
}

// mayNotFit tells whether a write that reaches to end is not to be answered before it
// is on the OSDs: the file would be longer than what there is of it. It also returns
// how many failures there were.
func (f *File) mayNotFit(end uint64) (yes bool, lost uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.countLossesLocked(f.lease)
	return f.full && end > f.size, f.losses.count
}

// flushedSince flushes, and returns the newest failure if there are more than before.
func (f *File) flushedSince(l *lease, before uint64) error {
	err := f.flushImage(l)
	_, lost := f.lostSince(before)
	return first(lost, err)
}

// beginWrite makes room for a write to [fileOff, end) and counts it as in flight; EINTR
// when its call was given up.
func (f *File) beginWrite(call *Call, fileOff, end uint64) (*lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.resizing || f.stills > 0 || f.late > 0 {
		f.changed.Wait()
	}
	l, err := f.useWritableLocked()
	if err != nil {
		return nil, err
	}
	err = call.begin(f)
	if err == nil {
		err = f.growLocked(l, end)
	}
	if err == nil {
		err = call.goesOn(f)
	}
	if err != nil {
		call.end(f)
		f.doneLocked(l, err)
		return nil, err
	}
	f.writes++
	f.wroteLocked()
	f.holes.wrote(fileOff, end, l.Layout())
	return l, nil
}

// endWrite counts a write as done: the file now reaches to end at least, unless
// another client has cut the image off meanwhile.
func (f *File) endWrite(call *Call, l *lease, end uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.size = max(f.size, min(end, f.physical))
	}
	f.wroteLocked()
	f.writes--
	if f.writes == 0 {
		f.changed.Broadcast()
	}
	call.end(f)
	f.doneLocked(l, err)
}

// wroteLocked notes that there is something to flush. It is called before and
// after the change, since a flush may come in between.
func (f *File) wroteLocked() {
	f.absorbLocked() // what has passed by the gate before is older
	f.dirty = true
	f.writeGen++
	f.mtime = time.Now()
	f.mtimeNew = true
}

// fsync returns when all that was written before is on the OSDs or lost, and the
// image has the file's size. Its error is what keeps either from being so; losses has
// what was lost.
func (f *File) fsync() error {
	l, err := f.use()
	if err != nil || l.rw == nil {
		if err == nil {
			f.done(l, nil)
		}
		return err
	}
	err = f.flushImage(l)
	f.done(l, err)
	return errors.Join(err, f.Settle())
}

// flushImage flushes the image, unless nothing was written since the last flush
// that succeeded, and counts what was lost. Only a flush that nothing was written
// beside counts as such: a second caller must not return before the first one's flush
// does.
func (f *File) flushImage(l *lease) error {
	f.mu.Lock()
	passing := f.absorbLocked()
	dirty, gen, alone := f.dirty, f.writeGen, f.writes == 0 && !passing
	f.mu.Unlock()
	if !dirty {
		return nil
	}
	err := l.rw.Flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absorbLocked()
	f.full = false
	f.countLossesLocked(l) // says so if it is
	if err != nil {
		f.losses.add(1, err) // this may be all that is ever heard of it
		return err
	}
	if f.dirty && alone && gen == f.writeGen {
		f.dirty = false
		f.holes.flushed()
		f.changes++
	}
	f.openGateLocked() // the file may have grown
	return nil
}

// clean is fsync that also keeps the time of the last write with the image.
func (f *File) clean() error {
	if err := f.fsync(); err != nil {
		return err
	}
	return f.keepTime()
}

// clip returns how many of the length bytes at off lie below size.
func clip(off, length, size uint64) uint64 {
	if off >= size {
		return 0
	}
	return min(length, size-off)
}

// addOffset returns off+length, unless that is no file offset.
func addOffset(off, length uint64) (end uint64, ok bool) {
	const maxOffset = 1<<63 - 1
	if off > maxOffset || length > maxOffset-off {
		return 0, false
	}
	return off + length, true
}
