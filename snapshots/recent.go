package snapshots

import (
	"maps"
	"sync"
	"time"
)

// recent keeps answers of the pool for listAge, by a key, and none from before a
// change through this mount. Its methods may overlap.
type recent[T any] struct {
	mu    sync.Mutex // guards the rest; never held while asking
	known map[string]aged[T]
	gen   uint64 // counts changes
}

// aged is an answer, and when it was so.
type aged[T any] struct {
	value T
	at    time.Time
}

// get returns what is known, or asks, and when that was so.
func (r *recent[T]) get(key string, ask func() (T, error)) (T, time.Time, error) {
	r.mu.Lock()
	known, ok := r.known[key]
	gen := r.gen
	r.mu.Unlock()
	if ok && time.Since(known.at) < listAge {
		return known.value, known.at, nil
	}
	at := time.Now()
	value, err := ask()
	if err != nil {
		return value, at, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.known, func(_ string, a aged[T]) bool { return time.Since(a.at) >= listAge })
	if gen == r.gen {
		if r.known == nil {
			r.known = make(map[string]aged[T])
		}
		r.known[key] = aged[T]{value: value, at: at}
	}
	return value, at, nil
}

// forget drops what was known before a change.
func (r *recent[T]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen++
	clear(r.known)
}
