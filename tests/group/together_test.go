package group

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"

	"rbdfs/tests/harness"
)

// Two mounts and the rbd command take group snapshots and single ones of the same
// images at once, while both are written past their ends: all succeed.
func TestAllAtOnce(t *testing.T) {
	b := env.Start(t, harness.Options{})
	env.Mount.Check(t)
	image(t, "a", nil)
	image(t, "b", nil)
	dir := group(t, "db", "a", "b")
	soon(t, "the group shows", func() error { _, err := os.Stat(b.Path(".group/db")); return err })
	stop := make(chan struct{})
	var writers, takers sync.WaitGroup
	for i, m := range []*harness.Mount{env.Mount, b} {
		writers.Go(func() {
			if err := grow(m.Path([]string{"a", "b"}[i]), stop); err != nil {
				t.Error(err)
			}
		})
		for _, path := range []string{".group/db/g%d", ".snap/a/s%d", ".snap/b/s%d"} {
			takers.Go(func() {
				if err := os.Mkdir(m.Path(fmt.Sprintf(path, i)), 0o755); err != nil {
					t.Error(err)
					t.Log(m.Log())
				}
			})
		}
	}
	takers.Wait()
	rbd(t, "group", "snap", "create", env.Pool+"/db@g2")
	close(stop)
	writers.Wait()
	soon(t, "all show", func() error {
		if got := names(t, dir) + names(t, env.Mount.Path(".snap/a")); got != "[g0 g1 g2][s0 s1]" {
			return fmt.Errorf("listed %s", got)
		}
		return nil
	})
	// The mount that takes a snapshot waits for what was written through it. What
	// another client cuts in between may lack any of the writes behind.
	for _, path := range []string{dir + "/g0/a", b.Path(".group/db/g1/b")} {
		data, err := os.ReadFile(path)
		must(t, err)
		if rest := bytes.Trim(bytes.TrimRight(data, "\x00"), "x"); len(rest) > 0 {
			t.Errorf("%s has a hole: %.20q", path, rest)
		}
	}
	for _, path := range []string{dir + "/g1/a", dir + "/g2/a", dir + "/g2/b"} {
		data, err := os.ReadFile(path)
		must(t, err)
		if n := bytes.Count(data, []byte("x")) + bytes.Count(data, []byte{0}); n != len(data) {
			t.Errorf("%s has bytes that nobody wrote", path)
		}
	}
}

// grow appends to a file until stop is closed.
func grow(path string, stop <-chan struct{}) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	for block := bytes.Repeat([]byte("x"), 64<<10); ; {
		select {
		case <-stop:
			return f.Close()
		default:
		}
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
}
