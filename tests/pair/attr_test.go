package pair

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"rbdfs/tests/harness"
)

// TestAttributes keeps mode, owner and times with the image, whether it is open
// or not.
func TestAttributes(t *testing.T) {
	a, b := hosts(t)
	path := a.Path("attr")
	put(t, path, "x")
	then := time.Unix(1_000_000_000, 123_456_789)
	for i, change := range []struct {
		do   func() error
		says func(unix.Stat_t) bool
	}{
		{func() error { return os.Chmod(path, 0o751) }, func(st unix.Stat_t) bool { return st.Mode == syscall.S_IFREG|0o751 }},
		{func() error { return os.Chown(path, 1234, 5678) }, func(st unix.Stat_t) bool { return st.Uid == 1234 && st.Gid == 5678 }},
		{func() error { return os.Chtimes(path, then, then) }, func(st unix.Stat_t) bool {
			return st.Mtim.Nano() == then.UnixNano() && st.Atim.Nano() == then.UnixNano()
		}},
		{func() error { return os.Chmod(path, 0) }, func(st unix.Stat_t) bool { return st.Mode == syscall.S_IFREG }},
	} {
		must(t, change.do())
		soon(t, fmt.Sprintf("change %d", i), says(a, "attr", change.says))
		soon(t, fmt.Sprintf("change %d on the other host", i), says(b, "attr", change.says))
	}
	must(t, os.Remove(path))
}

// says fails unless stat(2) of the image is as it should.
func says(m *harness.Mount, name string, is func(unix.Stat_t) bool) func() error {
	return func() error {
		var st unix.Stat_t
		if err := unix.Stat(m.Path(name), &st); err != nil {
			return err
		}
		if !is(st) {
			return fmt.Errorf("stat says %+v", st)
		}
		return nil
	}
}

// TestModifiedHoldsStill sees one time of the last write on both hosts, which
// stays.
func TestModifiedHoldsStill(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("time"), "x")
	var st unix.Stat_t
	must(t, unix.Stat(a.Path("time"), &st))
	same := func(other unix.Stat_t) bool { return other.Mtim == st.Mtim }
	soon(t, "the time of a write", says(b, "time", same))
	reads(t, b.Path("time"), "x")
	for _, m := range []*harness.Mount{a, b} {
		soon(t, "the time after a read", says(m, "time", same))
	}
	if age := time.Since(time.Unix(st.Mtim.Unix())); age < 0 || age > time.Minute {
		t.Errorf("the last write was %v ago", age)
	}
	must(t, os.Remove(a.Path("time")))
}
