package harness

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// Visible is how long a change may take to show on another host: a second, and
// some time for a machine that has other things to do.
const Visible = 1200 * time.Millisecond

// Must ends the test for an error.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Want fails unless err is this errno.
func Want(tb testing.TB, what string, err error, errno syscall.Errno) {
	tb.Helper()
	if !errors.Is(err, errno) {
		tb.Errorf("%s: %v, want %v", what, err, errno)
	}
}

// Soon is Within the time after which a change is Visible.
func Soon(tb testing.TB, what string, check func() error) {
	tb.Helper()
	Within(tb, Visible, what, check)
}

// Within repeats a check until it succeeds. Only a check that began when the time
// was over can fail.
func Within(tb testing.TB, limit time.Duration, what string, check func() error) {
	tb.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Since(begin)
		err := check()
		if err == nil {
			return
		}
		if asked > limit {
			tb.Fatalf("%s: after %v: %v", what, asked, err)
		}
	}
}

// Reads fails unless a file holds this.
func Reads(tb testing.TB, path, data string) {
	tb.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != data {
		tb.Errorf("%s holds %.40q (%d bytes), %v, want %.40q (%d bytes)", path, got, len(got), err, data, len(data))
	}
}
