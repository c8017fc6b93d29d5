package memrbd

import (
	"fmt"
	"iter"
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// Options configures a pool. The zero value is usable.
type Options struct {
	ObjectSize uint64           // bytes; 0 for 4 MiB
	Capacity   uint64           // bytes; 0 for 1 TiB. Writes may exceed it: script ENOSPC
	Quota      uint64           // bytes, as Usage shows it; 0 for none
	WriteBack  bool             // keep writes in a cache until they are flushed
	Key        string           // "" for "memrbd"
	Now        func() time.Time // nil for time.Now; called with the pool locked
}

// Pool is a pool in memory.
type Pool struct {
	options Options
	script  *script

	mu       sync.Mutex // guards all that follows, and every image and handle
	lastID   int
	lastSnap uint64
	names    map[string]*image // the directory
	trash    map[string]*trashed
	images   map[string]*image // by id, in the directory or in the trash
	handles  map[*handle]struct{}
	groups   []*group
	changed  map[rbdio.List]time.Time
	others   map[int64]*Pool // other pools of the cluster, locked after this one
	closed   bool
	loses    int // writes of Lose to come,
	losesBy  syscall.Errno
}

var _ rbdio.Pool = (*Pool)(nil)

// image is one image of a pool.
type image struct {
	id, name string // the name it has, or had when it went to the trash
	size     uint64
	durable  objects // what a crash leaves

	created, modified, accessed time.Time
	attr                        rbdio.Attr // without Modified and Accessed
	metadata                    map[string]string
	snaps                       []*snapshot // the oldest first
	groupSnaps                  []*snapshot // parts of group snapshots
	parent                      *snapshot   // of a clone

	// What other clients did to it.
	watchers       int
	foreignLock    bool
	foreignChanges int
	invalidMap     bool
}

// New returns an empty pool.
func New(options Options) *Pool {
	if options.ObjectSize == 0 {
		options.ObjectSize = 4 << 20
	}
	if options.Capacity == 0 {
		options.Capacity = 1 << 40
	}
	if options.Key == "" {
		options.Key = "memrbd"
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Pool{
		options: options,
		script:  newScript(),
		names:   map[string]*image{},
		trash:   map[string]*trashed{},
		images:  map[string]*image{},
		handles: map[*handle]struct{}{},
		changed: map[rbdio.List]time.Time{},
		others:  map[int64]*Pool{},
	}
}

// begin plays the script of op. When it returns nil, p.mu is locked, and the
// call is to be done and p.mu unlocked.
func (p *Pool) begin(op string) error {
	if err := p.script.call(op); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		panic("memrbd: " + op + " on a closed pool")
	}
	return nil
}

// imageLocked returns the image with an id.
func (p *Pool) imageLocked(op, id string) (*image, error) {
	if img := p.images[id]; img != nil {
		return img, nil
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s image %s", op, id)
}

// Key returns Options.Key.
func (p *Pool) Key() string { return p.options.Key }

// Usage returns what all objects hold, those in the trash included.
func (p *Pool) Usage() (rbdio.Usage, error) {
	if err := p.begin("Usage"); err != nil {
		return rbdio.Usage{}, err
	}
	defer p.mu.Unlock()
	usage := rbdio.Usage{Quota: p.options.Quota, Images: uint64(len(p.images))}
	for _, img := range p.images {
		usage.Stored += img.durable.allocated()
	}
	usage.Available = p.options.Capacity - min(p.options.Capacity, usage.Stored)
	return usage, nil
}

// Close ends the use of the pool; EBUSY while images are open.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	readers, writers := p.openCountsLocked()
	if readers+writers > 0 {
		return &rbdio.Error{Op: "close pool", Errno: syscall.EBUSY,
			Why: fmt.Sprintf("%d images are open for reading, %d for writing", readers, writers)}
	}
	p.closed = true
	return nil
}

// OpenCounts returns how many open images there are by mode, for leak checks.
func (p *Pool) OpenCounts() (readers, writers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openCountsLocked()
}

func (p *Pool) openCountsLocked() (readers, writers int) {
	for h := range p.handles {
		if h.writable {
			writers++
		} else {
			readers++
		}
	}
	return readers, writers
}

// openLocked yields this client's open images of img.
func (p *Pool) openLocked(img *image) iter.Seq[*handle] {
	return func(yield func(*handle) bool) {
		for h := range p.handles {
			if h.image == img && !yield(h) {
				return
			}
		}
	}
}

// watchersLocked returns how many watchers img has, by this client and by others.
func (p *Pool) watchersLocked(img *image) (ours, others int) {
	for h := range p.openLocked(img) {
		if h.writable {
			ours++
		}
	}
	return ours, img.watchers
}
