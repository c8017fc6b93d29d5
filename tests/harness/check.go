package harness

import (
	"context"
	"regexp"
	"testing"
	"time"
)

// Check makes the end of a test look at the daemon: what it logged meanwhile
// must be no warning or error, and it must hold no more than after its start.
// The test must have closed its files by then.
func (m *Mount) Check(tb testing.TB) {
	tb.Helper()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), time.Minute)
		defer cancel()
		if m.running() {
			if err := m.CheckLeaks(ctx); err != nil {
				tb.Error(err)
			}
		}
		m.checkLog(tb)
	})
}

// checkLog fails the test for what the daemon should not have logged.
func (m *Mount) checkLog(tb testing.TB) {
	tb.Helper()
	for _, line := range m.log.bad() {
		tb.Errorf("the daemon logged: %s", line)
	}
}

// ExpectLog excuses lines that match pattern, from now on, and makes the end of
// the test fail when there was none. It comes after Check.
func (m *Mount) ExpectLog(tb testing.TB, pattern string) {
	tb.Helper()
	re := regexp.MustCompile(pattern)
	m.log.excuse(re)
	from := len(m.Log())
	tb.Cleanup(func() {
		// What the daemon has written may still be on its way through the pipe.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), leakTime)
		defer cancel()
		if err := m.log.wait(ctx, re, from, m.ended); err != nil {
			tb.Error(err)
		}
	})
}

// Excuse excuses lines that match pattern, from now on, where there may be none.
func (m *Mount) Excuse(pattern string) { m.log.excuse(regexp.MustCompile(pattern)) }

// WaitLog waits until the daemon has logged, at any time, a line that matches
// pattern.
func (m *Mount) WaitLog(tb testing.TB, pattern string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if err := m.log.wait(ctx, regexp.MustCompile(pattern), 0, m.ended); err != nil {
		tb.Fatal(err)
	}
}

// running tells whether the daemon has not ended.
func (m *Mount) running() bool {
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}
