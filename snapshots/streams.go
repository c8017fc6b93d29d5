package snapshots

import (
	lists "container/list"
	"sync"
	"syscall"

	"rbdfs/rbdio"
)

const (
	// diffsAtOnce bounds the comparisons of snapshots that run at once: ls -l in
	// several directories of streams shall leave the cluster some time for others.
	diffsAtOnce = 4
	// keptExtents bounds the extents of all indexes that are kept, 32 bytes each.
	// Those of open streams stay in any case.
	keptExtents = 2 << 20
	// entryExtents is what an index takes beside its extents, as so many of them: one
	// without any takes memory, too.
	entryExtents = 16
)

// streamKey names a stream for good.
type streamKey struct {
	key
	older uint64 // 0 for a full stream
}

// streamEntry is the index of one stream, made by whoever asks first.
type streamEntry struct {
	key   streamKey
	made  chan struct{} // closed when index or err is set
	index *streamIndex
	err   error

	users int            // guarded by streams.mu, as is the rest
	place *lists.Element // in streams.order; nil before the index is there
}

// streams keeps indexes: snapshots never change.
type streams struct {
	turns chan struct{}

	mu      sync.Mutex // guards the rest; never held while comparing
	entries map[streamKey]*streamEntry
	order   *lists.List // of *streamEntry, the last used first
	extents int         // the cost of all entries of order
}

// cost is the memory that an index takes, as a number of extents.
func (i *streamIndex) cost() int { return len(i.extents) + entryExtents }

func newStreams() streams {
	return streams{
		turns:   make(chan struct{}, diffsAtOnce),
		entries: make(map[streamKey]*streamEntry), order: lists.New(),
	}
}

// use returns the entry of a stream, and whether the caller is the one to make it.
func (s *streams) use(k streamKey) (e *streamEntry, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = s.entries[k]
	if e == nil {
		e, first = &streamEntry{key: k, made: make(chan struct{})}, true
		s.entries[k] = e
	}
	e.users++
	if e.place != nil {
		s.order.MoveToFront(e.place)
	}
	return e, first
}

// finish sets what came of making an entry. An error is not kept.
func (s *streams) finish(e *streamEntry, index *streamIndex, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.index, e.err = index, err
	close(e.made)
	if err != nil {
		delete(s.entries, e.key)
		return
	}
	e.place = s.order.PushFront(e)
	s.extents += index.cost()
}

// release ends a use, and forgets what was not used for longest.
func (s *streams) release(e *streamEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.users--
	for at := s.order.Back(); at != nil && s.extents > keptExtents; {
		old, before := at.Value.(*streamEntry), at.Prev()
		if old.users == 0 {
			s.order.Remove(at)
			s.extents -= old.index.cost()
			delete(s.entries, old.key)
		}
		at = before
	}
}

// OpenStream opens the stream from an older snapshot, or with 0 from nothing, to a
// snapshot; ENOENT. Each OpenStream is ended by one ReleaseStream.
func (t *Tree) OpenStream(imageID string, snapID, older uint64) (*Stream, error) {
	header, err := t.streamHeader(imageID, snapID, older)
	if err != nil {
		return nil, err
	}
	f, err := t.Open(imageID, snapID)
	if err != nil {
		return nil, err
	}
	e, err := t.streamIndex(f, older)
	if err != nil {
		t.Release(f)
		return nil, err
	}
	return &Stream{file: f, entry: e, header: header}, nil
}

// ReleaseStream ends one OpenStream.
func (t *Tree) ReleaseStream(s *Stream) {
	t.streams.release(s.entry)
	t.Release(s.file)
}

// StreamSize returns how long a stream is; ENOENT.
func (t *Tree) StreamSize(imageID string, snapID, older uint64) (uint64, error) {
	header, err := t.streamHeader(imageID, snapID, older)
	if err != nil {
		return 0, err
	}
	if size, ok := t.streams.size(streamKey{key{imageID, snapID}, older}); ok {
		return uint64(len(header)) + size, nil
	}
	s, err := t.OpenStream(imageID, snapID, older)
	if err != nil {
		return 0, err
	}
	defer t.ReleaseStream(s)
	return s.Size(), nil
}

// size returns the size of an index that is there.
func (s *streams) size(k streamKey) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil || e.place == nil {
		return 0, false
	}
	s.order.MoveToFront(e.place)
	return e.index.size, true
}

// streamIndex returns the index of a stream, which must be released.
func (t *Tree) streamIndex(f *File, older uint64) (*streamEntry, error) {
	e, first := t.streams.use(streamKey{f.key, older})
	if first {
		t.streams.turns <- struct{}{}
		index, err := f.compare(older)
		<-t.streams.turns
		t.streams.finish(e, index, err)
	}
	<-e.made
	if e.err != nil {
		t.streams.release(e)
		return nil, e.err
	}
	return e, nil
}

// streamHeader returns the first bytes of a stream, with the names that its
// snapshots have now; ENOENT.
func (t *Tree) streamHeader(imageID string, snapID, older uint64) ([]byte, error) {
	to, _, err := t.Get(imageID, snapID)
	if err != nil || older == 0 {
		return streamHeader("", to.Name, to.Size), err
	}
	from, _, err := t.Get(imageID, older)
	if err == nil && older >= snapID {
		err = rbdio.Errorf(syscall.ENOENT, "find an older snapshot of image %s", imageID)
	}
	return streamHeader(from.Name, to.Name, to.Size), err
}

// Older returns the snapshots that are older than one, the oldest first; ENOENT.
func (t *Tree) Older(imageID string, snapID uint64) ([]rbdio.Snapshot, error) {
	snaps, _, err := t.List(imageID)
	if err != nil {
		return nil, err
	}
	for i, s := range snaps {
		if s.ID == snapID {
			return snaps[:i], nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "find a snapshot of image %s", imageID)
}
