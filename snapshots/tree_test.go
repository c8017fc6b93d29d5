package snapshots

import (
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// rig is a pool with one image, and a mount's snapshots of it.
type rig struct {
	t    *testing.T
	pool *memrbd.Pool
	tree *Tree
	id   string
}

// inBubble runs a test in a bubble of testing/synctest. It fails when something
// is left open.
func inBubble(t *testing.T, test func(rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		pool := memrbd.New(memrbd.Options{ObjectSize: 4096, WriteBack: true})
		files := rbdio.NewFiles(pool, rbdio.FilesOptions{Logger: log})
		r := rig{t: t, pool: pool, tree: New(pool, files, Options{Logger: log})}
		var err error
		r.id, err = pool.Foreign().Create("vm1", 100_000)
		must(t, err)
		must(t, pool.Foreign().Write(r.id, []byte("data"), 50_000))
		test(r)
		r.tree.Close()
		must(t, files.Close())
		must(t, pool.Close())
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t *testing.T, err error, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Fatalf("got %v, want %v", err, errno)
	}
}

// snap takes a snapshot and returns it.
func (r rig) snap(name string) rbdio.Snapshot {
	r.t.Helper()
	must(r.t, r.tree.Create(r.id, name))
	s, _, err := r.tree.Find(r.id, name)
	must(r.t, err)
	return s
}

func TestListIsAskedForOnce(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		asked := r.pool.Calls("ListSnapshots")
		for range 10 {
			_, _, err := r.tree.Find(r.id, "s")
			must(t, err)
		}
		if n := r.pool.Calls("ListSnapshots") - asked; n != 0 {
			t.Errorf("asked %d times more", n)
		}
		must(t, r.pool.Foreign().RemoveSnapshot(r.id, "s"))
		time.Sleep(listAge)
		_, _, err := r.tree.Get(r.id, s.ID)
		wantErrno(t, err, syscall.ENOENT)
	})
}

func TestOwnChangesShowAtOnce(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		wantErrno(t, r.tree.Create(r.id, "s"), syscall.EEXIST)
		must(t, r.tree.Rename(r.id, "s", "t"))
		if now, _, err := r.tree.Find(r.id, "t"); err != nil || now.ID != s.ID {
			t.Errorf("%+v, %v", now, err)
		}
		must(t, r.tree.Remove(r.id, "t"))
		_, _, err := r.tree.Find(r.id, "t")
		wantErrno(t, err, syscall.ENOENT)
	})
}

// An answer from before a change is not kept behind it.
func TestListDuringAChange(t *testing.T) {
	inBubble(t, func(r rig) {
		release := r.pool.Block("ListSnapshots")
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = r.tree.List(r.id) })
		r.pool.Await("ListSnapshots", 1)
		must(t, r.tree.Create(r.id, "s"))
		release()
		wg.Wait()
		_, _, err := r.tree.Find(r.id, "s")
		must(t, err)
	})
}

func TestScriptedErrors(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		r.pool.Fail("ListSnapshots", 1, syscall.EBADMSG)
		time.Sleep(listAge)
		_, _, err := r.tree.List(r.id)
		wantErrno(t, err, syscall.EBADMSG)
		for op, call := range map[string]func() error{
			"CreateSnapshot": func() error { return r.tree.Create(r.id, "t") },
			"RemoveSnapshot": func() error { return r.tree.Remove(r.id, "s") },
			"RenameSnapshot": func() error { return r.tree.Rename(r.id, "s", "t") },
			"OpenSnapshot":   func() error { _, err := r.tree.Open(r.id, s.ID); return err },
			"Size":           func() error { _, err := r.tree.Open(r.id, s.ID); return err },
			"StatSnapshot":   func() error { _, err := r.tree.Stat(r.id, s.ID); return err },
		} {
			r.pool.Fail(op, 1, syscall.EPERM)
			wantErrno(t, call(), syscall.EPERM)
		}
		f, err := r.tree.Open(r.id, s.ID)
		must(t, err)
		r.pool.Fail("ReadAt", 1, syscall.EIO)
		_, err = f.ReadAt(make([]byte, 10), 0)
		wantErrno(t, err, syscall.EIO)
		r.pool.Fail("Extents", 1, syscall.EIO)
		_, err = f.SeekData(0)
		wantErrno(t, err, syscall.EIO)
		if at, err := f.SeekData(0); err != nil || at != 49152 {
			t.Errorf("data at %d, %v", at, err)
		}
		r.tree.Release(f)
	})
}

func TestSnapshotHasWhatThisMountWrote(t *testing.T) {
	inBubble(t, func(r rig) {
		f, err := r.tree.files.Open(r.id, true)
		must(t, err)
		must(t, f.WriteAt([]byte("written"), 10))
		must(t, r.tree.Create(r.id, "own"))
		must(t, f.WriteAt([]byte("later"), 10))
		must(t, f.Release())
		s, _, err := r.tree.Find(r.id, "own")
		must(t, err)
		snap, err := r.tree.Open(r.id, s.ID)
		must(t, err)
		defer r.tree.Release(snap)
		got := make([]byte, 7)
		_, err = snap.ReadAt(got, 10)
		must(t, err)
		if string(got) != "written" {
			t.Errorf("the snapshot has %q", got)
		}
	})
}
