package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
)

func (r rig) stat(f *rbdio.Handle) rbdio.Info {
	r.t.Helper()
	info, err := f.Stat()
	must(r.t, err)
	return info
}

func TestModifiedMovesWithWritesAlone(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		last := r.stat(f).Modified
		for name, c := range map[string]struct {
			do    func() error
			moves bool
		}{
			"write":                 {func() error { return f.WriteAt([]byte{1}, 5) }, true},
			"zero":                  {func() error { return f.Zero(0, 100) }, true},
			"truncate":              {func() error { return f.Truncate(9000) }, true},
			"extend":                {func() error { return f.Extend(f.Size() + 1) }, true},
			"read":                  {func() error { _, err := f.ReadAt(make([]byte, 10), 0); return err }, false},
			"seek":                  {func() error { _, err := f.SeekHole(0); return err }, false},
			"fsync":                 {f.Fsync, false},
			"flush":                 {f.Flush, false},
			"settle":                {f.Settle, false},
			"stat":                  {func() error { _, err := f.Stat(); return err }, false},
			"pause":                 {func() error { time.Sleep(time.Hour); return nil }, false},
			"zero behind the end":   {func() error { return f.Zero(1<<40, 100) }, false},
			"extend to less":        {func() error { return f.Extend(1) }, false},
			"failed write at 8 EiB": {func() error { _ = f.WriteAt([]byte{1}, 1<<63); return nil }, false},
		} {
			time.Sleep(2 * time.Second)
			must(t, c.do())
			now := r.stat(f).Modified
			if moved := !now.Equal(last); moved != c.moves {
				t.Errorf("%s: the time went from %v to %v", name, last, now)
			}
			last = now
		}
		r.release(f)
		r.wantModified(f.ID(), last)
		f = r.open(f.ID(), false)
		if got := r.stat(f).Modified; !got.Equal(last) {
			t.Errorf("opened again, the time is %v, was %v", got, last)
		}
		r.release(f)
		r.wantModified(f.ID(), last)
	})
}

// wantModified compares the time in the header, as another mount sees it.
func (r rig) wantModified(id string, want time.Time) {
	r.t.Helper()
	info, err := r.pool.Stat(id)
	must(r.t, err)
	if !info.Modified.Equal(want) {
		r.t.Errorf("the header's time is %v, want %v", info.Modified, want)
	}
}

func TestModifiedHoldsStillBesideAFlush(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		time.Sleep(time.Second)
		must(t, f.WriteAt([]byte{1}, 0))
		want := r.stat(f).Modified
		check := func(when string) {
			t.Helper()
			if got := r.stat(f).Modified; !got.Equal(want) {
				t.Errorf("%s: the time is %v, was %v", when, got, want)
			}
		}
		release := r.pool.Block("SetAttr")
		flush := begin(f.Flush)
		synctest.Wait()
		check("while the time is being kept")
		release()
		must(t, flush())
		check("right after") // a header read before is not good any more
		releaseStat := r.pool.Block("Stat")
		time.Sleep(time.Second)
		must(t, f.WriteAt([]byte{1}, 0))
		var old rbdio.Info
		stat := begin(func() (err error) { old, err = f.Stat(); return err })
		synctest.Wait()
		must(t, f.Flush())
		releaseStat()
		must(t, stat())
		if want = r.stat(f).Modified; !old.Modified.Equal(want) {
			t.Errorf("a stat beside the flush shows %v, then %v", old.Modified, want)
		}
		r.release(f)
		r.wantModified(f.ID(), want)
	})
}

func TestSetModifiedIsKeptByClose(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		past, mode := time.Unix(1_000_000_000, 123), uint32(0o640)
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte{1}, 0)) // as cp -p does
		must(t, f.SetAttr(rbdio.Attr{Modified: &past, Mode: &mode}))
		info := r.stat(f)
		if !info.Modified.Equal(past) || info.Attr.Mode == nil || *info.Attr.Mode != mode {
			t.Errorf("right after: %v", info)
		}
		must(t, f.Flush())
		r.release(f)
		r.wantModified(f.ID(), past)

		f = r.open(f.ID(), true)
		must(t, f.SetAttr(rbdio.Attr{Modified: &past}))
		time.Sleep(time.Second)
		must(t, f.WriteAt([]byte{1}, 0))
		want := time.Now()
		r.release(f)
		r.wantModified(f.ID(), want)
	})
}

func TestTimeThatCannotBeKeptIsTriedAgain(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		time.Sleep(time.Second)
		must(t, f.WriteAt([]byte{1}, 0))
		want := time.Now()
		r.pool.Fail("SetAttr", 1, syscall.EIO)
		wantErrno(t, f.Flush(), syscall.EIO)
		if got := r.stat(f).Modified; !got.Equal(want) {
			t.Errorf("the time is %v, want %v", got, want)
		}
		time.Sleep(time.Second)
		r.release(f)
		r.wantModified(f.ID(), want)
	})
}

func TestAllocatedShowsAHoleAtOnce(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), true)
		must(t, f.WriteAt(filled(10*object, 1), 0))
		must(t, f.Fsync())
		if got := r.stat(f).Allocated; got != 10*object {
			t.Errorf("written in full: %d bytes are allocated", got)
		}
		must(t, f.Zero(object, object))
		if got := r.stat(f).Allocated; got >= 10*object {
			t.Errorf("with a hole: %d bytes are allocated", got)
		}
		r.release(f)
	})
}

func TestAllocatedIsNeverTooSmall(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), true)
		wantAllocated := func(when string, low, high int64) {
			t.Helper()
			if got := r.stat(f).Allocated; got != rbdio.Unknown && (got < low || got > high) {
				t.Errorf("%s: %d bytes are allocated, want %d to %d", when, got, low, high)
			}
		}
		wantAllocated("at first", 1, 1) // since a shared mapping may hold data
		must(t, f.WriteAt([]byte{1}, 3*object))
		wantAllocated("written", 1, 10*object-1)
		must(t, f.Fsync())
		wantAllocated("flushed", object, object)
		must(t, f.WriteAt(filled(10*object, 1), 0))
		wantAllocated("all written", 1, 10*object-1)
		must(t, f.Fsync())
		wantAllocated("all flushed", 10*object, 10*object)

		must(t, f.Truncate(0))
		must(t, f.WriteAt([]byte{1}, 0))
		release := r.pool.Block("Stat") // a header from before the flush, used after it
		var info rbdio.Info
		stat := begin(func() (err error) { info, err = f.Stat(); return err })
		synctest.Wait()
		must(t, f.Fsync())
		release()
		must(t, stat())
		if info.Allocated == 0 {
			t.Error("a stat beside a flush shows a file without data")
		}
		r.release(f)
	})
}

// An older time that is on its way to the header could come after a newer one.
func TestTimesAreKeptOneAfterTheOther(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("x"), 0))
		release := r.pool.Block("SetAttr")
		older := begin(f.Flush)
		synctest.Wait()
		must(t, f.WriteAt([]byte("x"), 0))
		newer := begin(f.Flush)
		synctest.Wait()
		if n := r.pool.Calls("SetAttr"); n != 1 {
			t.Errorf("%d calls keep a time at once", n)
		}
		release()
		must(t, older())
		must(t, newer())
		r.release(f)
	})
}
