package rbdio

import "sync"

// sharedTurns is a counting semaphore that several images share. An image has at most
// as many turns as are free, and one in any case while one is: with one image that
// keeps its turns half of them are left, with n of them 1/(n+1).
type sharedTurns struct {
	limit int

	mu    sync.Mutex     // guards the rest
	freed sync.Cond      // a turn has ended
	used  int            // turns
	by    map[string]int // those of each image that has any, by what it is called here
}

// newSharedTurns makes a semaphore of n turns, at least one.
func newSharedTurns(n int) *sharedTurns {
	s := &sharedTurns{limit: max(n, 1), by: make(map[string]int)}
	s.freed.L = &s.mu
	return s
}

// take waits for a turn of an image and returns the function that ends it:
// defer s.take(id)().
func (s *sharedTurns) take(image string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.mayLocked(image) {
		s.freed.Wait()
	}
	s.used++
	s.by[image]++
	return func() { s.give(image) }
}

// mayLocked tells whether an image can have one more turn.
func (s *sharedTurns) mayLocked(image string) bool {
	free, has := s.limit-s.used, s.by[image]
	return free > 0 && (has == 0 || has < free)
}

// give ends a turn.
func (s *sharedTurns) give(image string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.by[image]--; s.by[image] == 0 {
		delete(s.by, image)
	}
	s.freed.Broadcast()
}
