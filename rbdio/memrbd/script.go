package memrbd

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// script is what a test wants calls to meet, by the name of their method.
type script struct {
	mu      sync.Mutex // guards all that follows; any caller reads and writes
	counted sync.Cond  // broadcast when a call is counted
	ops     map[string]*opScript
}

// opScript is the part of one method.
type opScript struct {
	calls int
	fails int // how many more calls fail; negative for all
	errno syscall.Errno
	delay time.Duration
	gates []chan struct{} // closed when they open
}

// newScript has a part for every method there is, so that a misspelt name
// panics rather than never happens.
func newScript() *script {
	s := &script{ops: map[string]*opScript{}}
	s.counted.L = &s.mu
	for _, t := range []reflect.Type{reflect.TypeFor[rbdio.Pool](), reflect.TypeFor[rbdio.Image](), reflect.TypeFor[rbdio.SnapshotImage]()} {
		for i := range t.NumMethod() {
			s.ops[t.Method(i).Name] = &opScript{}
		}
	}
	delete(s.ops, "Key")
	delete(s.ops, "Layout")
	delete(s.ops, "MayGrowAhead")
	delete(s.ops, "Lost")
	return s
}

// opLocked returns the part of op.
func (s *script) opLocked(op string) *opScript {
	if part := s.ops[op]; part != nil {
		return part
	}
	panic(fmt.Sprintf("memrbd: no call %q to script or count", op))
}

// call counts a call, holds it as long as the script says and returns the error
// that it is to end with. What it meets is settled as it arrives.
func (s *script) call(op string) error {
	s.mu.Lock()
	part := s.opLocked(op)
	part.calls++
	s.counted.Broadcast()
	delay, gates := part.delay, slices.Clone(part.gates)
	var err error
	if part.fails != 0 {
		err = rbdio.Errorf(part.errno, "%s, by script", op)
		part.fails = max(part.fails-1, -1)
	}
	s.mu.Unlock()

	if delay > 0 {
		time.Sleep(delay)
	}
	for _, gate := range gates {
		<-gate
	}
	return err
}

// Fail makes the next n calls of op fail with errno and do nothing; all calls
// from now on when n is negative, none when it is 0. It replaces what an earlier
// Fail said of op. A failed Close closes the image, and loses what it would have
// flushed.
func (p *Pool) Fail(op string, n int, errno syscall.Errno) {
	p.script.mu.Lock()
	defer p.script.mu.Unlock()
	part := p.script.opLocked(op)
	part.fails, part.errno = max(n, -1), errno
}

// Lose has the next n writes acknowledged, and lost: they fail with errno after that.
func (p *Pool) Lose(n int, errno syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loses, p.losesBy = n, errno
}

// Delay makes each call of op take d before it has any effect.
func (p *Pool) Delay(op string, d time.Duration) {
	p.script.mu.Lock()
	defer p.script.mu.Unlock()
	p.script.opLocked(op).delay = d
}

// Block holds the calls of op that come from now on, before they have any
// effect, until release is called; more than one call of it does no harm.
func (p *Pool) Block(op string) (release func()) {
	s, gate := p.script, make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	part := s.opLocked(op)
	part.gates = append(part.gates, gate)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		part.gates = slices.DeleteFunc(part.gates, func(g chan struct{}) bool { return g == gate })
		close(gate)
	})
}

// Calls returns how many calls of op there were, those that failed and those
// in flight included.
func (p *Pool) Calls(op string) int {
	p.script.mu.Lock()
	defer p.script.mu.Unlock()
	return p.script.opLocked(op).calls
}

// Await returns when there were n calls of op, so that a test that blocks some
// can wait for them to be in flight.
func (p *Pool) Await(op string, n int) {
	p.script.mu.Lock()
	defer p.script.mu.Unlock()
	for part := p.script.opLocked(op); part.calls < n; {
		p.script.counted.Wait()
	}
}
