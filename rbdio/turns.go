package rbdio

// turns is a counting semaphore: a value in the channel is a call under way.
type turns chan struct{}

// newTurns makes a semaphore of n turns, at least one.
func newTurns(n int) turns { return make(turns, max(n, 1)) }

// takeUnless waits for a turn and returns the function that ends it. It gives up when
// stop is closed, and is false then.
func (t turns) takeUnless(stop <-chan struct{}) (done func(), ok bool) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, true
	case <-stop:
		return nil, false
	}
}
