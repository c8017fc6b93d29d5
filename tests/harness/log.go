package harness

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// log collects what a daemon writes to standard error.
type log struct {
	mu       sync.Mutex // guards the rest
	text     strings.Builder
	grown    chan struct{} // closed and replaced at each write
	excused  []*regexp.Regexp
	reported int // bytes in which bad lines were looked for
}

func newLog() *log { return &log{grown: make(chan struct{})} }

// Write appends to the log.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.grown)
	l.grown = make(chan struct{})
	return len(p), nil
}

// String returns all of the log.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// excuse makes lines that match pattern no failure.
func (l *log) excuse(pattern *regexp.Regexp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.excused = append(l.excused, pattern)
}

// bad returns the complete lines since the last call that are warnings, errors,
// or not rbdfs' own (a panic, a message of librbd), and are not excused.
func (l *log) bad() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()[l.reported:]
	end := strings.LastIndexByte(text, '\n') + 1
	l.reported += end
	var bad []string
	for line := range strings.Lines(text[:end]) {
		if fine.MatchString(line) || l.excusedLocked(line) {
			continue
		}
		bad = append(bad, strings.TrimSpace(line))
	}
	return bad
}

// fine is a line of slog's text handler with a level below WARN.
var fine = regexp.MustCompile(`^time=\S+ level=(DEBUG|INFO)\S* `)

func (l *log) excusedLocked(line string) bool {
	for _, pattern := range l.excused {
		if pattern.MatchString(line) {
			return true
		}
	}
	return false
}

// wait waits until the log, from byte from on, matches pattern, or ctx or the
// process ends.
func (l *log) wait(ctx context.Context, pattern *regexp.Regexp, from int, ended <-chan struct{}) error {
	for last := false; ; {
		l.mu.Lock()
		found, grown := pattern.MatchString(l.text.String()[from:]), l.grown
		l.mu.Unlock()
		if found {
			return nil
		}
		if last {
			return fmt.Errorf("the daemon ended without logging %q:\n%s", pattern, l)
		}
		select {
		case <-grown:
		case <-ended:
			last = true
		case <-ctx.Done():
			return fmt.Errorf("the daemon did not log %q: %w\n%s", pattern, context.Cause(ctx), l)
		}
	}
}
