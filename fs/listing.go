package fs

import (
	"sync"
	"time"

	"rbdfs/rbdio"
)

// aheadCount is how many images are looked up at once ahead of a program that
// looks at one after the other, as ls -l, du, find and tar do.
const aheadCount = 64

// listing looks images up ahead. After a listing, the kernel asks for the
// attributes of each entry by itself; a second question in the order of the list
// has the next ones fetched together, and each is handed out once.
type listing struct {
	mu    sync.Mutex
	names []string       // image names, in the order listed
	index map[string]int // by image name
	last  int            // the index last asked for
	ahead map[string]*fetch
}

// fetch is a lookup under way.
type fetch struct {
	done   chan struct{}
	result lookedUp
}

// listed remembers the order of a listing.
func (l *listing) listed(entries []rbdio.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = make([]string, len(entries))
	l.index = make(map[string]int, len(entries))
	l.ahead = make(map[string]*fetch)
	l.last = -1
	for i, e := range entries {
		l.names[i] = e.Name
		l.index[e.Name] = i
	}
}

// lookup finds an image: by a fetch under way, or by itself.
func (l *listing) lookup(image string, find func(string) lookedUp) lookedUp {
	if f := l.take(image, find); f != nil {
		<-f.done
		if f.result.err == nil && time.Since(f.result.at) < fresh/2 {
			return f.result
		}
	}
	return find(image)
}

// forget drops what was fetched, since this mount has changed an image. An answer
// from before would have the kernel take back the size that it knows, and append
// to a file in the wrong place.
func (l *listing) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.ahead)
}

// forget drops what was known of names, since this mount has changed one.
func (r *rootNode) forget() {
	r.ahead.forget()
	r.snaps.Forget()
}

// lookupAhead finds an image, by a fetch under way if there is one. A file that is
// open may have been written to since that began.
func (r *rootNode) lookupAhead(image string) lookedUp {
	found := r.ahead.lookup(image, r.lookup)
	if f := r.files.Get(found.info.ID); f != nil {
		defer r.files.Put(f)
		found.info, found.err = f.Stat()
	}
	return found
}

// take returns the fetch of an image, if there is one, and starts the next ones.
func (l *listing) take(image string, find func(string) lookedUp) *fetch {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.index[image]
	if !ok {
		return nil
	}
	if inOrder := i > l.last && i-l.last <= 2; inOrder && l.last >= 0 {
		l.startLocked(i+1, find)
	}
	l.last = i
	f := l.ahead[image]
	delete(l.ahead, image)
	return f
}

// startLocked fetches a batch from index i on, unless one is under way there.
func (l *listing) startLocked(i int, find func(string) lookedUp) {
	if i >= len(l.names) || l.ahead[l.names[i]] != nil {
		return
	}
	for _, image := range l.names[i:min(i+aheadCount, len(l.names))] {
		if l.ahead[image] != nil {
			continue
		}
		f := &fetch{done: make(chan struct{})}
		l.ahead[image] = f
		go func() {
			defer close(f.done)
			f.result = find(image)
		}()
	}
}
