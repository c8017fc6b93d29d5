package pair

import (
	"fmt"
	"os"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// mtime is a directory's.
func mtime(t *testing.T, path string) time.Time {
	t.Helper()
	st := harness.Stat(t, path)
	return time.Unix(st.Mtim.Sec, st.Mtim.Nsec)
}

// The root's time moves with each image that is made, renamed or removed, on every
// host, and for no other reason; another mount shows the same.
func TestTimesOfTheRoot(t *testing.T) {
	t.Run("pool", func(t *testing.T) { testTimes(t, env.Pool) })
	t.Run("namespace", func(t *testing.T) {
		ns := env.Pool + "/times"
		rbd(t, "namespace", "create", ns)
		t.Cleanup(func() { rbd(t, "namespace", "remove", ns) })
		t.Run("mounted", func(t *testing.T) { testTimes(t, ns) })
	})
}

func testTimes(t *testing.T, pool string) {
	a := env.Start(t, harness.Options{Pool: pool})
	b := env.Start(t, harness.Options{Pool: pool})
	if at := mtime(t, a.Dir); time.Since(at) > time.Hour {
		t.Errorf("nothing was ever made, and the root's time is %v", at)
	}
	put(t, a.Path("one"), "data")
	for _, change := range []struct {
		what string
		make func() error
	}{
		{"made", func() error { return os.WriteFile(a.Path("two"), nil, 0o600) }},
		{"renamed", func() error { return os.Rename(a.Path("two"), a.Path("three")) }},
		{"removed", func() error { return os.Remove(a.Path("three")) }},
	} {
		before := mtime(t, a.Dir)
		// Ceph 16 gives the time to the second.
		for !time.Now().Truncate(time.Second).After(before) {
			time.Sleep(20 * time.Millisecond)
		}
		must(t, change.make())
		after := mtime(t, a.Dir)
		if !after.After(before) || time.Until(after) > time.Second {
			t.Errorf("%s, the root's time is %v, was %v", change.what, after, before)
		}
		soon(t, "the other host has the new time", func() error {
			if at := mtime(t, b.Dir); !at.Equal(after) {
				return fmt.Errorf("it has %v, want %v", at, after)
			}
			return nil
		})
	}
	c := env.Start(t, harness.Options{Pool: pool}) // which makes and removes an image
	before := mtime(t, c.Dir)
	put(t, a.Path("one"), "other data")
	must(t, os.Chmod(a.Path("one"), 0o640))
	time.Sleep(time.Until(before.Add(1100 * time.Millisecond)))
	for _, m := range []*harness.Mount{a, b, c} {
		soon(t, "all hosts show one time", func() error {
			if at, snap := mtime(t, m.Dir), mtime(t, m.Path(".snap")); !at.Equal(before) || !snap.Equal(before) {
				return fmt.Errorf("written to, the root's time is %v, that of .snap %v, was %v", at, snap, before)
			}
			return nil
		})
	}
	must(t, os.Remove(a.Path("one")))
	within(t, time.Minute, "the trash is empty", func() error {
		if list := rbd(t, "trash", "ls", "--all", pool); list != "" {
			return fmt.Errorf("it has %s", list)
		}
		return nil
	})
}
