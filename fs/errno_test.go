package fs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

// The kernel stops sending requests for good at one ENOSYS, and 0 would make a
// success of a failure.
func TestErrnoTable(t *testing.T) {
	for from, rule := range errnoTable {
		if rule.to == syscall.ENOSYS || rule.to == 0 {
			t.Errorf("%v becomes %v", from, rule.to)
		}
		if _, ok := errnoTable[rule.to]; !ok {
			t.Errorf("%v becomes %v, which is not in the table itself", from, rule.to)
		}
		for _, err := range wrappings(from) {
			if to, level := toErrno(err); to != rule.to || level != rule.level {
				t.Errorf("%#v becomes %v at %v, want %v at %v", err, to, level, rule.to, rule.level)
			}
		}
	}
}

// wrappings returns an errno in all the ways that it arrives.
func wrappings(errno syscall.Errno) []error {
	plain := rbdio.Errorf(errno, "resize %q", "vm1")
	return []error{
		errno,
		plain,
		fmt.Errorf("write: %w", plain),
		errors.Join(nil, plain),
		errors.Join(plain, syscall.EUCLEAN), // the first counts
		&rbdio.Error{Op: "remove", Errno: errno, Why: "it has snapshots"},
	}
}

func TestUnknownErrnoIsEIO(t *testing.T) {
	for errno := syscall.Errno(1); errno < 256; errno++ {
		if _, ok := errnoTable[errno]; ok {
			continue
		}
		for _, err := range wrappings(errno) {
			if to, level := toErrno(err); to != syscall.EIO || level != slog.LevelError {
				t.Errorf("%#v becomes %v at %v", err, to, level)
			}
		}
	}
	if to, _ := toErrno(errors.New("no errno")); to != syscall.EIO {
		t.Errorf("an error without an errno becomes %v", to)
	}
	if to, _ := toErrno(nil); to != 0 {
		t.Errorf("success becomes %v", to)
	}
}

func TestErrnoLogsWhatItDoesNotSay(t *testing.T) {
	for _, c := range []struct {
		err  error
		to   syscall.Errno
		want []string
	}{
		{nil, 0, nil},
		{rbdio.Errorf(syscall.ENOENT, "look up"), syscall.ENOENT, nil}, // as often as ls and sh ask
		{&rbdio.Error{Op: "remove", Errno: syscall.ENOTEMPTY, Why: "it has snapshots"}, syscall.ENOTEMPTY, []string{"WARN", "vm1", "it has snapshots"}},
		{rbdio.Errorf(syscall.EBADMSG, "read"), syscall.EIO, []string{"ERROR", "failed", "vm1", "bad message"}},
		{rbdio.Errorf(rbdio.Fenced, "read"), syscall.EIO, []string{"ERROR", "blocklisted", "vm1"}},
	} {
		var log bytes.Buffer
		m := &mount{log: slog.New(slog.NewTextHandler(&log, nil))}
		if to := m.errno(c.err, "vm1"); to != c.to {
			t.Errorf("%v becomes %v, want %v", c.err, to, c.to)
		}
		if c.want == nil && log.Len() > 0 {
			t.Errorf("%v is logged: %s", c.err, &log)
		}
		for _, want := range c.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%v is logged without %q: %s", c.err, want, &log)
			}
		}
	}
}
