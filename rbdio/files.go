package rbdio

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Files is the table of the images that are open through one mount, and the
// operations on names that must know which images are open.
type Files struct {
	pool      Pool
	log       *slog.Logger
	purger    *purger
	flattener *flattener
	keep      time.Duration // how long a removed image stays in the trash
	noExtents bool
	name      func(id string) string
	gates     func(id string) Gate

	// mu guards what follows, and each File's refs and removed. It is taken before
	// a File's mu, and never held across a call to the pool.
	mu     sync.Mutex
	open   map[string]*File   // by image id
	all    map[*File]struct{} // also those whose place in open a newer one took
	closed bool

	// The trash as last listed, when, and how many changes by this mount there had
	// been; what is still there, but not for long; and the image whose purge is under
	// way, which nobody can open any more.
	removed        []TrashEntry
	removedAt      time.Time
	removedChanges uint64
	leaving        map[string]TrashEntry // by image id
	purging        string
}

// FilesOptions are the choices of a mount that concern open files.
type FilesOptions struct {
	TrashKeep time.Duration // how long a removed image can be brought back
	NoExtents bool          // show every file as data
	ReadOnly  bool          // purge nothing
	Logger    *slog.Logger
	// Name is what an image, by its id, is called in errors of Close; may be nil.
	Name func(id string) string
	// Gate returns a way for an image, by its id, to be read and written past its
	// File, or nil; may be nil.
	Gate func(id string) Gate
}

// NewFiles returns the table of open images of pool, and starts the worker that
// purges removed images. Close ends it.
func NewFiles(pool Pool, opts FilesOptions) *Files {
	t := &Files{
		pool:      pool,
		log:       opts.Logger,
		keep:      opts.TrashKeep,
		noExtents: opts.NoExtents,
		name:      opts.Name,
		gates:     opts.Gate,
		open:      make(map[string]*File),
		all:       make(map[*File]struct{}),
		leaving:   make(map[string]TrashEntry),
	}
	t.flattener = newFlattener(t, opts.Logger)
	t.purger = newPurger(t, opts.Logger)
	if !opts.ReadOnly {
		t.purger.start()
	}
	return t
}

// Open opens the image id, shared with all who have it open. Handle.Release ends it.
func (t *Files) Open(id string, write bool) (*Handle, error) {
	h, err := t.openOnce(id, write)
	if IsFenced(err) { // found out only now; a new File has a fresh connection
		h, err = t.openOnce(id, write)
	}
	return h, err
}

func (t *Files) openOnce(id string, write bool) (*Handle, error) {
	f, err := t.take(id)
	if err != nil {
		return nil, err
	}
	lost, err := f.acquire(write)
	if err != nil {
		t.drop(f)
		return nil, err
	}
	h := &Handle{table: t, file: f, write: write}
	h.told.Store(lost)
	if err := f.refreshSize(); err != nil {
		return nil, errors.Join(err, h.Release())
	}
	return h, nil
}

// Get returns the open image id, or nil; the caller must Put it back. Unlike
// Open it leaves the image as it is. An image that was cut off from the cluster
// is not returned: what its File knows is no longer so.
func (t *Files) Get(id string) *File {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.open[id]
	if f == nil || f.isFenced() {
		return nil
	}
	f.refs++
	return f
}

// Hold is Get also of an image that is not open, so that Still keeps whoever opens
// it meanwhile from writing to it; nil after Close, and while it is purged.
func (t *Files) Hold(id string) *File {
	f, _ := t.take(id)
	return f
}

// Put ends one Get or Hold.
func (t *Files) Put(f *File) { t.drop(f) }

// Create makes an empty image and keeps attr with it, or makes none.
func (t *Files) Create(name string, attr Attr) (id string, err error) {
	if id, err = t.pool.Create(name); err != nil {
		return "", err
	}
	return t.keepAttr(id, name, attr)
}

// Clone makes a copy-on-write clone of a snapshot and keeps attr with it, or makes
// none.
func (t *Files) Clone(imageID string, snapID uint64, name string, attr Attr) (id string, err error) {
	if id, err = t.pool.CloneSnapshot(imageID, snapID, name); err != nil {
		return "", err
	}
	return t.keepAttr(id, name, attr)
}

// keepAttr keeps attr with an image that was made just now, or removes it: without
// them it would be another's.
func (t *Files) keepAttr(id, name string, attr Attr) (string, error) {
	if err := t.pool.SetAttr(id, attr); err != nil {
		return "", errors.Join(err, t.Remove(name))
	}
	return id, nil
}

// Remove moves the image called name to the trash. Whoever has it open goes on
// using it; it is purged after the last close, and after the time that the mount
// keeps removed images.
func (t *Files) Remove(name string) error {
	id, err := t.trash(name, t.keep)
	if err != nil {
		return err
	}
	t.StopFlatten(id)
	t.purgeUnlessOpen(id)
	return nil
}

// trash moves the image called name to the trash, for a time at least, and leaves
// the purge to the caller. An image that is open here is first opened for writing,
// so that it has a watcher that keeps every other mount from purging it under its
// readers.
func (t *Files) trash(name string, keep time.Duration) (id string, err error) {
	id, err = t.pool.Lookup(name)
	if err != nil {
		return "", err
	}
	f := t.Get(id)
	if f != nil {
		defer t.Put(f)
		if err := f.hold(); err != nil {
			return "", err
		}
		// Removing the image takes its exclusive lock from us for a moment, after
		// which what it grew ahead could not be told from another client's.
		if err := f.Settle(); err != nil {
			return "", err
		}
	}
	removed, err := t.pool.Remove(name, time.Now().Add(keep))
	t.purger.expire(removed, false) // what was said of an earlier removal
	t.forgetRemoved()
	if f != nil && (err != nil || removed != id) {
		f.unhold()
	}
	return removed, err
}

// purgeUnlessOpen gives a removed image to the purger, or leaves that to the
// last Release. An image that was opened while it was being removed is held only
// now.
func (t *Files) purgeUnlessOpen(id string) {
	t.mu.Lock()
	f := t.open[id]
	if f != nil {
		f.removed = true
		f.refs++
	}
	t.mu.Unlock()
	if f == nil {
		t.purger.kick()
		return
	}
	defer t.Put(f)
	if err := f.hold(); err != nil {
		t.log.Warn("a removed image is open here, and another mount may purge it", "id", id, "error", err)
	}
}

// replaceGrace is how long an image that another one was about to replace can be
// brought back, when the mount was cut off before the renaming.
const replaceGrace = 24 * time.Hour

// Rename gives the image called name another name. An image that has that name
// already goes to the trash first, and comes back if the renaming fails; with
// noReplace it is EEXIST instead.
func (t *Files) Rename(name, newName string, noReplace bool) error {
	id, err := t.pool.Lookup(name)
	if err != nil || name == newName {
		return err
	}
	if f := t.Get(id); f != nil {
		err := f.Settle()
		t.Put(f)
		if err != nil {
			return err
		}
	}
	err = t.pool.Rename(name, newName)
	if noReplace || !errors.Is(err, syscall.EEXIST) {
		return err
	}
	old, err := t.trash(newName, max(t.keep, replaceGrace))
	if err != nil {
		return err
	}
	if err := t.pool.Rename(name, newName); err != nil {
		return errors.Join(err, t.Restore(old, newName))
	}
	t.StopFlatten(old)
	if t.keep == 0 {
		t.purger.expire(old, true)
	}
	t.purgeUnlessOpen(old)
	return nil
}

// OpenIDs returns the ids of the open images, sorted.
func (t *Files) OpenIDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]string, 0, len(t.all))
	for f := range t.all {
		ids = append(ids, f.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Close flushes and closes every image, whoever still has it open, and stops the
// purger; nothing can be opened any more. It returns the errors that kept written
// data from the OSDs.
func (t *Files) Close() error {
	t.purger.cancel()
	t.flattener.stop()
	t.mu.Lock()
	t.closed = true
	all := slices.Collect(maps.Keys(t.all))
	t.mu.Unlock()
	var errs []error
	for _, f := range all {
		err := f.shut()
		if err != nil && t.name != nil {
			err = fmt.Errorf("%s: %w", t.name(f.id), err)
		}
		errs = append(errs, err)
	}
	t.purger.stop()
	return errors.Join(errs...)
}

// take returns the File of id, new if it is not open or was cut off from the
// cluster, with one more reference; EIO after Close, ENOENT while it is purged.
func (t *Files) take(id string) (*File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, Errorf(syscall.EIO, "open image %s after the mount was shut down", id)
	}
	if t.purging == id {
		return nil, Errorf(syscall.ENOENT, "open image %s, which is being purged", id)
	}
	f := t.open[id]
	if f == nil || f.isFenced() {
		f = newFile(id, t.pool, t.noExtents, t.gate(id), t.log)
		t.open[id] = f
		t.all[f] = struct{}{}
	}
	f.refs++
	return f, nil
}

// gate returns the gate of an image that is being opened.
func (t *Files) gate(id string) Gate {
	if t.gates != nil {
		if g := t.gates(id); g != nil {
			return g
		}
	}
	return noGate{}
}

// drop gives one reference back, and forgets the File with the last one.
func (t *Files) drop(f *File) {
	t.mu.Lock()
	f.refs--
	last := f.refs == 0
	if last {
		delete(t.all, f)
		f.gate.Free() // before a new File asks for one
	}
	if last && t.open[f.id] == f {
		delete(t.open, f.id)
	}
	purge := last && f.removed
	t.mu.Unlock()
	if purge {
		t.purger.kick()
	}
}
