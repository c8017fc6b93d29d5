package rbdio

import (
	"syscall"
	"time"
)

// Extents are asked for in windows that start small, since the next question is
// often near, and double while a walk goes on.
const (
	firstWindow = 256   // periods of Image.Layout
	maxWindow   = 65536 // periods of Image.Layout
	extentsAge  = time.Second
)

// extentCache is what is known of a file's extents. Its owner guards it. data
// is never too small: writes are added before they start, and what is learned
// only adds to it, until all is forgotten.
type extentCache struct {
	known     ExtentSet // ranges that were asked for
	data      ExtentSet // in known: what may hold data
	unflushed ExtentSet // written since the last flush, in whole periods
	zeroed    bool      // a range was zeroed since the last flush
	since     time.Time // when the oldest range was asked for
	window    uint64    // periods to ask for next
	epoch     uint64    // counts calls of forget
}

// wrote adds the periods that hold [off, end) to the data.
func (c *extentCache) wrote(off, end, period uint64) {
	if off == end {
		return
	}
	start := off / period * period
	length := (end - start + period - 1) / period * period
	c.data.Add(start, length)
	c.unflushed.Add(start, length)
}

// flushed notes that the cluster now knows of every write. What was written and
// then zeroed is no data any more, so all is asked for again.
func (c *extentCache) flushed() {
	c.unflushed = ExtentSet{}
	c.zeroed = false
	c.forget()
}

// forget drops what was learned, keeping the writes that the cluster does not
// know of yet.
func (c *extentCache) forget() {
	c.known, c.data = ExtentSet{}, ExtentSet{}
	for _, e := range c.unflushed.Extents() {
		c.data.Add(e.Off, e.Len)
	}
	c.window = 0
	c.epoch++
}

// expire forgets what another client may have changed meanwhile.
func (c *extentCache) expire() {
	if time.Since(c.since) > extentsAge {
		c.forget()
		c.since = time.Now()
	}
}

// learn adds what the image answered for the range of bytes r.
func (c *extentCache) learn(r Extent, data []Extent) {
	c.known.Add(r.Off, r.Len)
	for _, e := range data {
		c.data.Add(e.Off, e.Len)
	}
}

// zero is Handle.Zero.
func (f *File) zero(call *Call, fileOff, length uint64) error {
	f.mu.Lock()
	length = clip(fileOff, length, f.size)
	f.mu.Unlock()
	if length == 0 {
		return nil
	}
	end := fileOff + length
	l, err := f.beginWrite(call, end, end) // it adds no data
	if err != nil {
		return err
	}
	err = l.rw.WriteZeroes(fileOff, length)
	f.mu.Lock()
	f.holes.forget()
	f.holes.zeroed = true
	f.mu.Unlock()
	f.endWrite(call, l, 0, err) // it does not grow a file that was cut meanwhile
	return err
}

// seekData is Handle.SeekData.
func (f *File) seekData(fileOff uint64) (uint64, error) {
	for {
		size := f.Size()
		if fileOff >= size {
			return 0, Errorf(syscall.ENXIO, "seek data in image %s from %d", f.id, fileOff)
		}
		e, data, err := f.extentAt(fileOff, size)
		if err != nil || data {
			return fileOff, err
		}
		fileOff = e.End()
	}
}

// seekHole is Handle.SeekHole.
func (f *File) seekHole(fileOff uint64) (uint64, error) {
	size := f.Size()
	if fileOff >= size {
		return 0, Errorf(syscall.ENXIO, "seek hole in image %s from %d", f.id, fileOff)
	}
	for fileOff < size {
		e, data, err := f.extentAt(fileOff, size)
		if err != nil || !data {
			return fileOff, err
		}
		fileOff = e.End()
	}
	return size, nil
}

// extentAt returns the range of bytes, starting at fileOff and ending at size at
// the latest, that is known to be all data or all hole.
func (f *File) extentAt(fileOff, size uint64) (e Extent, data bool, err error) {
	if f.noExtents {
		return Extent{fileOff, size - fileOff}, true, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absorbLocked()
	f.holes.expire()
	if !f.holes.known.Covers(fileOff, 1) {
		return f.askLocked(fileOff, size)
	}
	e, data = f.holes.at(fileOff, size)
	return e, data, nil
}

// at looks up a byte that is known.
func (c *extentCache) at(fileOff, size uint64) (Extent, bool) {
	end := min(c.known.NextHole(fileOff, size), size)
	next, ok := c.data.NextData(fileOff, end)
	switch {
	case !ok:
		return Extent{fileOff, end - fileOff}, false
	case next > fileOff:
		return Extent{fileOff, next - fileOff}, false
	}
	return Extent{fileOff, min(c.data.NextHole(fileOff, end), end) - fileOff}, true
}

// askLocked asks the image for a window of extents, without the lock. What was
// written is flushed first, since the cluster does not know of it otherwise.
func (f *File) askLocked(fileOff, size uint64) (Extent, bool, error) {
	l, err := f.useLocked()
	if err != nil {
		return Extent{}, false, err
	}
	f.holes.window = min(max(2*f.holes.window, firstWindow), maxWindow)
	window := Extent{Off: fileOff / l.Layout() * l.Layout()}
	window.Len = min(f.holes.window*l.Layout(), size-window.Off)
	data, epoch, err := f.extentsLocked(l, window)
	f.doneLocked(l, err)
	if err != nil {
		return Extent{}, false, err
	}
	if epoch != f.holes.epoch { // zeroed or shrunk meanwhile: true then, not now
		now := f.holes
		f.holes = extentCache{}
		f.holes.learn(window, data)
		e, isData := f.holes.at(fileOff, size)
		f.holes = now
		return e, isData, nil
	}
	f.holes.learn(window, data)
	e, isData := f.holes.at(fileOff, size)
	return e, isData, nil
}

// extentsLocked flushes the image and asks for the extents of one window, both
// without the lock. It also returns the epoch of the answer: that after the flush.
func (f *File) extentsLocked(l *lease, window Extent) (data []Extent, epoch uint64, err error) {
	if l.rw != nil {
		f.mu.Unlock()
		err = f.flushImage(l)
		f.mu.Lock()
	}
	epoch = f.holes.epoch
	if err != nil {
		return nil, epoch, err
	}
	f.mu.Unlock()
	defer f.mu.Lock()
	data, err = l.Extents(window.Off, window.Len)
	return data, epoch, err
}
