package fs

import (
	"slices"
	"strings"
	"sync"
	"time"

	"rbdfs/rbdio"
)

const (
	// firstAhead and mostAhead are how many images are read ahead of a program that
	// looks at one after the other, as ls -l, du, find and tar do: few at first, as
	// it may stop, and twice as many with each batch.
	firstAhead = 16
	mostAhead  = 512
	// mostAtOnce bounds a batch, which is answered as a whole.
	mostAtOnce = 128

	// listedFor bounds the age of attributes in a listing; see listing.
	listedFor = 10 * time.Second
	// brief is how long the kernel may believe attributes in a listing that are older
	// than it could otherwise: until ls asks for what it was just told.
	brief = 100 * time.Millisecond
)

// listing reads attributes ahead of who looks at a pool's images in their order.
// Two kinds of walk do. A handle of the directory is asked for names and attributes
// together (READDIRPLUS), and its answers belong to the listing, which takes as long
// as it takes: they are good for the whole of it, and for another one that begins
// within fresh of its end, but for no longer than listedFor. Lookups by name may come
// from anyone, and get only answers younger than half of fresh.
//
// No answer from before a change through this mount is used after it. It would have
// the kernel take back the size that it knows, and append to a file in the wrong place.
// So what was read, or is being read, of an image is void when the image is changed
// or opened, and of one that is open nothing is read ahead: the file itself knows.
type listing struct {
	mu      sync.Mutex        // guards the rest, and what walks and fetches point to
	names   uint64            // counts the changes of names through this mount
	newest  *walk             // of lookups by name, along the newest listing
	walked  *images           // the listing that a handle's walk ended last
	answers map[string]*fetch // by image id
}

// images is one listing of the pool.
type images struct {
	entries []rbdio.Entry // in the order of their names
	begun   time.Time     // when the pool was asked for them
	names   uint64        // listing.names then
	since   time.Time     // what was read since then is good for a handle's walk
	ended   time.Time     // when a handle's walk came to the end
}

// walk is a pass along a listing.
type walk struct {
	*images
	byName bool // by lookups, and not by a handle
	last   int  // the index last asked for
	next   int  // the first that was not read ahead
	ahead  int  // how many are read ahead now
}

func newWalk(of *images, byName bool) *walk {
	return &walk{images: of, byName: byName, last: -1, ahead: firstAhead}
}

// fetch is an image's attributes, being read or there.
type fetch struct {
	name  string
	named time.Time       // when the image had this name
	at    time.Time       // when the attributes were asked for
	done  <-chan struct{} // closed when the answer is there
	rbdio.Answer
	void bool
	told time.Time // until then the kernel may believe it, although it is old
}

// reader reads the attributes of several images.
type reader func([]rbdio.Entry) []rbdio.Answer

// begin is called before the pool is listed, and listed with the result.
func (l *listing) begin() *images {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return &images{begun: now, since: now, names: l.names}
}

// listed returns a handle's walk along the images that were listed, and has
// lookups by name follow them, too.
func (l *listing) listed(of *images, entries []rbdio.Entry) *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	of.entries = entries
	if l.walked != nil && of.begun.Sub(l.walked.ended) < fresh {
		of.since = l.walked.begun
	}
	l.pruneLocked()
	l.newest = newWalk(of, true)
	return newWalk(of, false)
}

// pruneLocked drops answers that are good for nothing any more.
func (l *listing) pruneLocked() {
	for id, f := range l.answers {
		if time.Since(f.at) > listedFor+brief {
			delete(l.answers, id)
		}
	}
}

// prune is pruneLocked for a timer.
func (l *listing) prune() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pruneLocked()
}

// ask returns what was or is being read of the i-th image of a walk, or nil, and
// begins to read the next ones.
func (l *listing) ask(w *walk, i int, read reader) *fetch {
	l.mu.Lock()
	defer l.mu.Unlock()
	inOrder := i > w.last && i-w.last <= 2 && w.last >= 0
	w.last = i
	first := i
	if w.byName {
		first++ // it is looked up anyway
	}
	if f := l.answers[w.entries[i].ID]; f == nil || !w.good(f) {
		w.next = first
	}
	if inOrder || !w.byName {
		l.aheadLocked(w, first, read)
	}
	return l.answers[w.entries[i].ID]
}

// aheadLocked has the images from the i-th on read, in batches, when half of those
// ahead are used up.
func (l *listing) aheadLocked(w *walk, i int, read reader) {
	if w.next-i > w.ahead/2 {
		return
	}
	for w.next < min(i+w.ahead, len(w.entries)) {
		n := min(max(w.ahead/4, firstAhead), mostAtOnce)
		batch := w.entries[w.next:min(w.next+n, len(w.entries))]
		w.next += len(batch)
		l.readLocked(w, batch, read)
	}
	if i > 0 {
		w.ahead = min(2*w.ahead, mostAhead)
	}
}

// readLocked has those images read of which there is no good answer yet.
func (l *listing) readLocked(w *walk, batch []rbdio.Entry, read reader) {
	now, done := time.Now(), make(chan struct{})
	named := w.begun
	checked := w.names != l.names || w.byName && now.Sub(w.begun) > fresh/4
	if checked {
		named = now
	}
	var entries []rbdio.Entry
	var fetches []*fetch
	for _, e := range batch {
		old := l.answers[e.ID]
		if old != nil && w.good(old) {
			continue
		}
		f := &fetch{name: e.Name, named: named, at: now, done: done}
		if old != nil {
			f.told = old.told
		}
		fetches = append(fetches, f)
		if !checked {
			e.Name = ""
		}
		entries = append(entries, e)
		if l.answers == nil {
			l.answers = make(map[string]*fetch)
		}
		l.answers[e.ID] = f
	}
	if len(entries) == 0 {
		return
	}
	go func() {
		defer close(done)
		for i, a := range read(entries) {
			fetches[i].Answer = a
		}
	}()
}

// good tells whether an answer can be used in a walk, as far as it depends on
// when it was read.
func (w *walk) good(f *fetch) bool {
	age := time.Since(f.at)
	switch {
	case f.void:
		return false
	case w.byName:
		return age < fresh/2 && time.Since(f.named) < fresh/2
	}
	return age < fresh/2 || age < listedFor && !f.at.Before(w.since)
}

// answer waits for an answer and returns it, or false when it cannot be used.
func (l *listing) answer(w *walk, i int, f *fetch) (lookedUp, bool) {
	if f != nil {
		<-f.done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.byName && i == len(w.entries)-1 && w.ended.IsZero() {
		w.ended, l.walked = time.Now(), w.images
		time.AfterFunc(listedFor+2*brief, l.prune)
	}
	e := w.entries[i]
	if f == nil || f.Err != nil || !w.good(f) || w.byName && f.name != e.Name {
		return lookedUp{}, false
	}
	found := lookedUp{info: f.Info, at: f.at, named: f.named}
	if w.byName {
		return found, true
	}
	found.listed = true
	if w.names == l.names {
		found.named = w.begun
	} else if f.name != e.Name {
		return lookedUp{}, false // the name may be another image's by now
	}
	if time.Since(f.at) > fresh-brief {
		f.told = time.Now().Add(brief)
	}
	return found, true
}

// lookup finds an image by what was read ahead of its name, or returns false.
func (l *listing) lookup(image string, read reader) (lookedUp, bool) {
	l.mu.Lock()
	w := l.newest
	l.mu.Unlock()
	if w == nil {
		return lookedUp{}, false
	}
	i, ok := slices.BinarySearchFunc(w.entries, image, func(e rbdio.Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return lookedUp{}, false
	}
	return l.answer(w, i, l.ask(w, i, read))
}

// forget drops all that was read, since this mount has changed a name.
func (l *listing) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names++
	for _, f := range l.answers {
		f.void = true
	}
}

// drop drops what was read of an image, since this mount has changed or opened it,
// or has looked at the image itself, behind which a listing must not fall back. It
// returns until when the kernel may believe an old answer.
func (l *listing) drop(id string) (told time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.answers[id]; f != nil {
		f.void = true
		told = f.told
	}
	return told
}

// ready tells whether the answer is there.
func (f *fetch) ready() bool {
	if f == nil {
		return true
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}
