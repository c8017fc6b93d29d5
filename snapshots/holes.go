package snapshots

import (
	"syscall"

	"rbdfs/rbdio"
)

// Extents are asked for in windows that start small, since the next question is
// often near, and double while a walk goes on.
const (
	firstWindow = 256   // periods of ReadImage.Layout
	maxWindow   = 65536 // periods of ReadImage.Layout
)

// holes is what is known of a snapshot's extents; it stays true.
type holes struct {
	known  rbdio.ExtentSet // ranges that were asked for
	data   rbdio.ExtentSet // in known: what may hold data
	window uint64          // periods to ask for next
}

// SeekData returns the first byte at or after fileOff that may hold data; ENXIO
// when there is none.
func (f *File) SeekData(fileOff uint64) (uint64, error) {
	for fileOff < f.size {
		end, data, err := f.extentAt(fileOff)
		if err != nil || data {
			return fileOff, err
		}
		fileOff = end
	}
	return 0, rbdio.Errorf(syscall.ENXIO, "seek data in a snapshot of image %s", f.key.image)
}

// SeekHole returns the first byte at or after fileOff that is in a hole, or the
// file's size; ENXIO when fileOff is not in the file.
func (f *File) SeekHole(fileOff uint64) (uint64, error) {
	if fileOff >= f.size {
		return 0, rbdio.Errorf(syscall.ENXIO, "seek hole in a snapshot of image %s", f.key.image)
	}
	for fileOff < f.size {
		end, data, err := f.extentAt(fileOff)
		if err != nil || !data {
			return fileOff, err
		}
		fileOff = end
	}
	return f.size, nil
}

// extentAt returns the end of a range that starts at fileOff and is all data or
// all hole.
func (f *File) extentAt(fileOff uint64) (end uint64, data bool, err error) {
	if f.tree.noExtents {
		return f.size, true, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.holes.known.Covers(fileOff, 1) {
		if err := f.askLocked(fileOff); err != nil {
			return 0, false, err
		}
	}
	end = f.holes.known.NextHole(fileOff, f.size)
	next, ok := f.holes.data.NextData(fileOff, end)
	switch {
	case !ok:
		return end, false, nil
	case next > fileOff:
		return next, false, nil
	}
	return f.holes.data.NextHole(fileOff, end), true, nil
}

// askLocked asks the image for a window of extents, without the lock.
func (f *File) askLocked(fileOff uint64) error {
	period := f.img.Layout()
	f.holes.window = min(max(2*f.holes.window, firstWindow), maxWindow)
	start := fileOff / period * period
	length := min(f.holes.window*period, f.size-start)
	f.mu.Unlock()
	err := f.use()
	var data []rbdio.Extent
	if err == nil {
		data, err = f.img.Extents(start, length)
		f.done(err)
	}
	f.mu.Lock()
	if err != nil {
		return err
	}
	f.holes.known.Add(start, length)
	for _, e := range data {
		f.holes.data.Add(e.Off, e.Len)
	}
	return nil
}
