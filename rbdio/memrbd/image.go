package memrbd

import (
	"math"
	"syscall"

	"rbdfs/rbdio"
)

// handle is an image that this client has open, and all that one open for
// reading can do.
type handle struct {
	pool     *Pool
	image    *image
	writable bool

	// Guarded by pool.mu.
	state  handleState
	cache  objects         // holds what was written and not flushed,
	dirty  rbdio.ExtentSet // in these ranges,
	writes []unflushed     // by these writes, the oldest first
	lost   uint64          // writes that Pool.Lose has taken, and the last one's error
	err    error
}

// writeHandle adds what only an image open for writing can do, so that a test
// fails to compile, or to assert, where a file system writes to the other kind.
type writeHandle struct{ *handle }

type handleState int

const (
	handleOpen handleState = iota
	handleClosed
	handleFenced // Crash happened
)

var (
	_ rbdio.ReadImage = (*handle)(nil)
	_ rbdio.Image     = writeHandle{}
)

// OpenReadOnly opens an image for reading.
func (p *Pool) OpenReadOnly(id string) (rbdio.ReadImage, error) {
	if err := p.begin("OpenReadOnly"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	h, err := p.newHandleLocked(id, false)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Open opens an image for reading and writing.
func (p *Pool) Open(id string) (rbdio.Image, error) {
	if err := p.begin("Open"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	h, err := p.newHandleLocked(id, true)
	if err != nil {
		return nil, err
	}
	return writeHandle{h}, nil
}

func (p *Pool) newHandleLocked(id string, writable bool) (*handle, error) {
	img, err := p.imageLocked("open", id)
	if err != nil {
		return nil, err
	}
	h := &handle{pool: p, image: img, writable: writable, cache: newObjects(p.options.ObjectSize)}
	p.handles[h] = struct{}{}
	return h, nil
}

// begin plays the script of op. When it returns nil, the pool is locked, and the
// call is to be done and the pool unlocked.
func (h *handle) begin(op string) error {
	if err := h.pool.script.call(op); err != nil {
		return err
	}
	h.pool.mu.Lock()
	switch h.state {
	case handleClosed:
		h.pool.mu.Unlock()
		panic("memrbd: " + op + " on a closed image")
	case handleFenced:
		h.pool.mu.Unlock()
		return rbdio.Errorf(rbdio.Fenced, "%s on image %s", op, h.image.id)
	}
	return nil
}

// ReadAt reads what is on the OSDs, and over it what this handle wrote.
func (h *handle) ReadAt(p []byte, fileOff uint64) (int, error) {
	if err := h.begin("ReadAt"); err != nil {
		return 0, err
	}
	defer h.pool.mu.Unlock()
	size := h.image.size
	p = p[:min(uint64(len(p)), size-min(size, fileOff))]
	h.image.durable.readAt(p, fileOff)
	for _, e := range h.dirty.Clip(fileOff, uint64(len(p))) {
		h.cache.readAt(p[e.Off-fileOff:e.End()-fileOff], e.Off)
	}
	if h.writable {
		advance(&h.image.accessed, h.pool.options.Now())
	}
	return len(p), nil
}

// Size returns the image's size, as the last Resize by any client left it.
func (h *handle) Size() (uint64, error) {
	if err := h.begin("Size"); err != nil {
		return 0, err
	}
	defer h.pool.mu.Unlock()
	return h.image.size, nil
}

// Layout returns the object size; no image is striped.
func (h *handle) Layout() uint64 { return h.pool.options.ObjectSize }

// Direct returns nothing: there is no C here.
func (h *handle) Direct() rbdio.Direct { return rbdio.Direct{} }

// Extents returns the objects on the OSDs.
func (h *handle) Extents(fileOff, length uint64) ([]rbdio.Extent, error) {
	if err := h.begin("Extents"); err != nil {
		return nil, err
	}
	defer h.pool.mu.Unlock()
	set := h.image.durable.extents()
	if h.image.invalidMap {
		set.Add(0, h.image.size)
	}
	set.Remove(h.image.size, math.MaxUint64) // of the last object, which may end behind it
	return set.Clip(fileOff, length), nil
}

// Close flushes and ends the use of the image. It is closed also when it fails;
// what was not flushed is lost then.
func (h *handle) Close() error {
	err := h.pool.script.call("Close")
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	was := h.state
	h.state = handleClosed
	delete(h.pool.handles, h)
	switch {
	case was == handleClosed:
		panic("memrbd: Close on a closed image")
	case was == handleFenced:
		return rbdio.Errorf(rbdio.Fenced, "close image %s", h.image.id)
	case err == nil:
		h.flushLocked()
	}
	return err
}

// WriteAt writes to the cache, and through it without Options.WriteBack; EINVAL
// for a range that is not all inside the image.
func (h writeHandle) WriteAt(p []byte, fileOff uint64) error {
	if err := h.begin("WriteAt"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	if err := h.insideLocked("write to", fileOff, uint64(len(p))); err != nil {
		return err
	}
	if h.pool.loses > 0 {
		h.pool.loses--
		h.lost++
		h.err = rbdio.Errorf(h.pool.losesBy, "write to image %s, acknowledged before, by script", h.image.id)
		return nil
	}
	h.waitsLocked(p, fileOff)
	if !h.pool.options.WriteBack {
		h.flushLocked()
	}
	advance(&h.image.modified, h.pool.options.Now())
	return nil
}

// WriteZeroes zeroes on the OSDs, and drops what the cache has of the range; no
// cache of librbd holds a discard.
func (h writeHandle) WriteZeroes(fileOff, length uint64) error {
	if err := h.begin("WriteZeroes"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	if err := h.insideLocked("zero", fileOff, length); err != nil {
		return err
	}
	h.dropLocked(fileOff, length)
	h.image.durable.zero(fileOff, fileOff+length)
	advance(&h.image.modified, h.pool.options.Now())
	return nil
}

func (h *handle) insideLocked(op string, fileOff, length uint64) error {
	if size := h.image.size; fileOff > size || length > size-fileOff {
		return rbdio.Errorf(syscall.EINVAL, "%s image %s of %d bytes at %d, %d bytes",
			op, h.image.id, size, fileOff, length)
	}
	return nil
}

// Resize sets the size at once and for good.
func (h writeHandle) Resize(size uint64) error {
	if err := h.begin("Resize"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	return h.pool.resizeLocked(h.image, size)
}

// Grow sets a larger size; EINVAL for a smaller one.
func (h writeHandle) Grow(size uint64) error {
	if err := h.begin("Grow"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	if size < h.image.size {
		return rbdio.Errorf(syscall.EINVAL, "grow image %s to %d bytes: it has %d", h.image.id, size, h.image.size)
	}
	return h.pool.resizeLocked(h.image, size)
}

// resizeLocked sets the size. What lies behind it is gone from every cache too,
// so that growing again shows zeros.
func (p *Pool) resizeLocked(img *image, size uint64) error {
	if size > math.MaxInt64 {
		return rbdio.Errorf(syscall.EFBIG, "resize image %s to %d bytes", img.id, size)
	}
	img.size = size
	img.durable.truncate(size)
	for h := range p.openLocked(img) {
		h.dropLocked(size, math.MaxUint64)
	}
	return nil
}

// Flush moves what this handle wrote to the OSDs. What a failed one would have
// moved waits for the next.
func (h writeHandle) Flush() error {
	if err := h.begin("Flush"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	h.flushLocked()
	return nil
}

// Lost tells of the writes that Pool.Lose has taken.
func (h writeHandle) Lost() (uint64, error) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.lost, h.err
}

func (h *handle) flushLocked() {
	for _, e := range h.dirty.Extents() {
		p := make([]byte, e.Len)
		h.cache.readAt(p, e.Off)
		h.image.durable.writeAt(p, e.Off)
	}
	h.dirty, h.writes = rbdio.ExtentSet{}, nil
	clear(h.cache.data)
}

// CutBack is refused when another client has the lock, or has written since it began.
func (h writeHandle) CutBack(from, size uint64, empty func() (bool, error)) (bool, error) {
	if err := h.begin("CutBack"); err != nil {
		return false, err
	}
	changes, locked := h.image.foreignChanges, h.image.foreignLock
	h.pool.mu.Unlock()
	if locked {
		return false, nil
	}
	if zeros, err := empty(); err != nil || !zeros {
		return false, err
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.image.foreignChanges != changes || h.image.foreignLock || h.image.size != from {
		return false, nil
	}
	return true, h.pool.resizeLocked(h.image, size)
}

// MayGrowAhead is true.
func (h writeHandle) MayGrowAhead() bool { return true }
