package snapshots

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// listAge is how long a list of snapshots is believed: ls -l, which asks for each
// entry, shall ask the cluster once, and others' changes shall show within a second.
const listAge = 400 * time.Millisecond

// Options are the choices of a mount that concern snapshots.
type Options struct {
	NoExtents bool // show every file as data
	Logger    *slog.Logger
}

// Tree is the snapshots of all images, as one mount sees them. Its methods may
// overlap.
type Tree struct {
	pool      rbdio.Snapshots
	members   rbdio.MemberOpener
	names     rbdio.Directory
	files     *rbdio.Files
	noExtents bool
	log       *slog.Logger

	closing sync.WaitGroup // images that are not closed yet
	streams streams

	mu     sync.Mutex       // guards the rest, and each File's refs and dead
	lists  map[string]list  // by image id
	images map[string]found // by name
	gen    uint64           // counts changes through this mount
	open   map[key]*File
	all    map[*File]struct{} // also those whose place in open a newer one took
	closed bool
}

// list is what was known of an image's snapshots at a time.
type list struct {
	snaps []rbdio.Snapshot
	at    time.Time
}

// found is an image's id, and when it had its name.
type found struct {
	id string
	at time.Time
}

// key names a snapshot for good.
type key struct {
	image string // its id; for one of another pool, rbdio.Member.ImageKey
	snap  uint64
}

// New returns the snapshots of pool, whose images are open through files.
func New(pool rbdio.Pool, files *rbdio.Files, opts Options) *Tree {
	return &Tree{
		pool: pool, members: pool, names: pool, files: files, noExtents: opts.NoExtents, log: opts.Logger,
		lists: make(map[string]list), images: make(map[string]found), open: make(map[key]*File), all: make(map[*File]struct{}),
		streams: newStreams(),
	}
}

// Image returns the id of the image called name; ENOENT.
func (t *Tree) Image(name string) (id string, err error) {
	t.mu.Lock()
	known, ok := t.images[name]
	gen := t.gen
	t.mu.Unlock()
	if ok && time.Since(known.at) < listAge {
		return known.id, nil
	}
	at := time.Now()
	if id, err = t.names.Lookup(name); err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.images, func(_ string, f found) bool { return time.Since(f.at) >= listAge })
	if gen == t.gen {
		t.images[name] = found{id: id, at: at}
	}
	return id, nil
}

// List returns an image's snapshots, the oldest first, and when that was so.
func (t *Tree) List(imageID string) ([]rbdio.Snapshot, time.Time, error) {
	t.mu.Lock()
	known, ok := t.lists[imageID]
	gen := t.gen
	t.mu.Unlock()
	if ok && time.Since(known.at) < listAge {
		return known.snaps, known.at, nil
	}
	at := time.Now()
	snaps, err := t.pool.ListSnapshots(imageID)
	if err != nil {
		return nil, at, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.lists, func(_ string, l list) bool { return time.Since(l.at) >= listAge })
	if gen == t.gen {
		t.lists[imageID] = list{snaps: snaps, at: at}
	}
	return snaps, at, nil
}

// Find returns the snapshot called name, and when there was one; ENOENT.
func (t *Tree) Find(imageID, name string) (rbdio.Snapshot, time.Time, error) {
	return t.find(imageID, func(s rbdio.Snapshot) bool { return s.Name == name })
}

// Get returns the snapshot with an id, and when there was one; ENOENT.
func (t *Tree) Get(imageID string, snapID uint64) (rbdio.Snapshot, time.Time, error) {
	return t.find(imageID, func(s rbdio.Snapshot) bool { return s.ID == snapID })
}

func (t *Tree) find(imageID string, is func(rbdio.Snapshot) bool) (rbdio.Snapshot, time.Time, error) {
	snaps, at, err := t.List(imageID)
	if err != nil {
		return rbdio.Snapshot{}, at, err
	}
	if i := slices.IndexFunc(snaps, is); i >= 0 {
		return snaps[i], at, nil
	}
	return rbdio.Snapshot{}, at, rbdio.Errorf(syscall.ENOENT, "find a snapshot of image %s", imageID)
}

// Create takes a snapshot that has everything written through this mount before;
// EEXIST.
func (t *Tree) Create(imageID, name string) error {
	defer t.Forget()
	take := func() error { return t.pool.CreateSnapshot(imageID, name) }
	f := t.files.Get(imageID)
	if f == nil {
		return take()
	}
	defer t.files.Put(f)
	return f.Still(take)
}

// Remove removes a snapshot; EBUSY when it has clones.
func (t *Tree) Remove(imageID, name string) error {
	defer t.Forget()
	return t.pool.RemoveSnapshot(imageID, name)
}

// Rename changes a snapshot's name; EEXIST.
func (t *Tree) Rename(imageID, name, newName string) error {
	defer t.Forget()
	return t.pool.RenameSnapshot(imageID, name, newName)
}

// Forget drops what was known before a change, of a snapshot or of an image's
// name.
func (t *Tree) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gen++
	clear(t.lists)
	clear(t.images)
}

// Stat returns what the file of a snapshot shows of itself; ENOENT.
func (t *Tree) Stat(imageID string, snapID uint64) (rbdio.Info, error) {
	return t.pool.StatSnapshot(imageID, snapID)
}
