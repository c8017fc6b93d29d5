package fs

import (
	"testing"
	"testing/synctest"
	"time"
)

// mtime is a directory's.
func (tr *tree) mtime(path ...string) time.Time {
	tr.t.Helper()
	attr, status := tr.attr(tr.walk(path...).NodeId)
	tr.want("stat", status, 0)
	return time.Unix(int64(attr.Mtime), int64(attr.Mtimensec))
}

// The directories' times are those of the last change of what they list.
func TestDirectoriesHaveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTreeThatKeeps(t, time.Hour)
		begin := time.Now()
		time.Sleep(time.Minute)
		for _, dir := range []string{".snap", ".trash", ".group"} {
			if at := tr.mtime(dir); !at.Equal(begin) {
				t.Errorf("nothing was ever made, %s has %v", dir, at)
			}
		}
		foreign := tr.pool.Foreign()
		id, err := foreign.Create("vm1", 100)
		must(t, err)
		for _, step := range []struct {
			what   string
			change func() error
			dirs   []string
		}{
			{"made", func() error { _, err := foreign.Create("vm0", 100); return err }, []string{"", ".snap", ".group"}},
			{"renamed", func() error { return foreign.Rename("vm0", "vm2") }, []string{"", ".snap"}},
			{"removed", func() error { _, err := foreign.Remove("vm2", time.Time{}); return err }, []string{"", ".snap", ".trash"}},
			{"snapshot made", func() error { return foreign.Snapshot(id, "s") }, []string{"vm1"}},
		} {
			time.Sleep(time.Minute)
			must(t, step.change())
			now := time.Now()
			time.Sleep(time.Minute)
			for _, dir := range step.dirs {
				if at := tr.dirTime(dir); !at.Equal(now) {
					t.Errorf("%s at %v, %q has %v", step.what, now, dir, at)
				}
			}
		}
		before := tr.dirTime("")
		tr.put("vm1", "data", 0o600) // there already
		if at := tr.dirTime(""); !at.Equal(before) {
			t.Errorf("written to, the root has %v, had %v", at, before)
		}
	})
}

// dirTime is the time of the root, of a directory in it, or of an image's in .snap.
func (tr *tree) dirTime(dir string) time.Time {
	tr.t.Helper()
	switch {
	case dir == "":
		return tr.mtime()
	case dir[0] == '.':
		return tr.mtime(dir)
	}
	return tr.mtime(".snap", dir)
}

// A stat of the root does not wait for a cluster that does not answer.
func TestRootTimeDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		tr.images(1, 0)
		made := time.Now()
		time.Sleep(time.Minute)
		if at := tr.mtime(); !at.Equal(made) {
			t.Errorf("the root has %v, want %v", at, made)
		}
		_, err := tr.pool.Foreign().Create("another", 0)
		must(t, err)
		release := tr.pool.Block("Changed")
		begin := time.Now()
		for range 10 {
			if at := tr.mtime(); !at.Equal(made) {
				t.Errorf("the root has %v, want what was known, %v", at, made)
			}
		}
		if took := time.Since(begin); took != timePatience {
			t.Errorf("it took %v", took)
		}
		release()
		synctest.Wait()
		if at := tr.mtime(); !at.After(made) {
			t.Errorf("the root has %v again", at)
		}
	})
}
