package snapshots

import (
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

func TestFileIsTheImageAsItWas(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		must(t, r.pool.Foreign().Write(r.id, []byte("late"), 50_000))
		must(t, r.pool.Foreign().Resize(r.id, 10))
		f, err := r.tree.Open(r.id, s.ID)
		must(t, err)
		defer r.tree.Release(f)
		got := make([]byte, 60_000)
		n, err := f.ReadAt(got, 49_999)
		if err != nil || n != 100_000-49_999 || string(got[:6]) != "\x00data\x00" {
			t.Errorf("read %d bytes, %q, %v", n, got[:6], err)
		}
		if n, err := f.ReadAt(got, 100_000); n != 0 || err != nil {
			t.Errorf("read %d bytes behind the end, %v", n, err)
		}
		for _, c := range []struct {
			seek  func(uint64) (uint64, error)
			off   uint64
			want  uint64
			errno syscall.Errno
		}{
			{f.SeekData, 0, 49152, 0},
			{f.SeekData, 50_000, 50_000, 0},
			{f.SeekData, 53248, 0, syscall.ENXIO},
			{f.SeekHole, 0, 0, 0},
			{f.SeekHole, 49152, 53248, 0},
			{f.SeekHole, 99_999, 99_999, 0},
			{f.SeekHole, 100_000, 0, syscall.ENXIO},
			{f.SeekData, 100_000, 0, syscall.ENXIO},
		} {
			at, err := c.seek(c.off)
			if c.errno != 0 {
				wantErrno(t, err, c.errno)
			} else if err != nil || at != c.want {
				t.Errorf("seek from %d: %d, %v, want %d", c.off, at, err, c.want)
			}
		}
		if n := r.pool.Calls("Extents"); n != 1 {
			t.Errorf("asked for extents %d times", n)
		}
	})
}

func TestOpenersShareAnImage(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		var wg sync.WaitGroup
		release := r.pool.Block("OpenSnapshot")
		files := make([]*File, 5)
		for i := range files {
			wg.Go(func() { files[i], _ = r.tree.Open(r.id, s.ID) })
		}
		synctest.Wait()
		release()
		wg.Wait()
		for _, f := range files {
			r.tree.Release(f)
		}
		if n := r.pool.Calls("OpenSnapshot"); n != 1 {
			t.Errorf("opened %d times", n)
		}
		if readers, _ := r.pool.OpenCounts(); readers != 0 {
			t.Errorf("%d are open", readers)
		}
	})
}

func TestRemovedWhileOpen(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		f, err := r.tree.Open(r.id, s.ID)
		must(t, err)
		defer r.tree.Release(f)
		must(t, r.pool.Foreign().RemoveSnapshot(r.id, "s"))
		_, err = f.ReadAt(make([]byte, 10), 0)
		wantErrno(t, err, syscall.ESTALE)
		_, err = r.tree.Open(r.id, s.ID) // not the one that is open
		wantErrno(t, err, syscall.ENOENT)
	})
}

// A read that nobody waits for any more keeps the image open until it is over.
func TestCloseWaitsForReads(t *testing.T) {
	inBubble(t, func(r rig) {
		s := r.snap("s")
		f, err := r.tree.Open(r.id, s.ID)
		must(t, err)
		release := r.pool.Block("ReadAt")
		read := make(chan error, 1)
		go func() {
			_, err := f.ReadAt(make([]byte, 10), 0)
			read <- err
		}()
		r.pool.Await("ReadAt", 1)
		r.tree.Release(f)
		closed := make(chan bool)
		go func() { r.tree.Close(); close(closed) }()
		synctest.Wait()
		if r.pool.Calls("Close") > 0 {
			t.Error("closed under a read")
		}
		release()
		must(t, <-read)
		<-closed
		_, err = r.tree.Open(r.id, s.ID)
		wantErrno(t, err, syscall.EIO)
		_, err = f.ReadAt(make([]byte, 10), 0)
		wantErrno(t, err, syscall.EIO)
	})
}
