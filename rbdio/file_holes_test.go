package rbdio_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

// dataMap walks a file by SEEK_DATA and SEEK_HOLE, as cp does.
func dataMap(t rapid.TB, f *rbdio.Handle) (data rbdio.ExtentSet) {
	t.Helper()
	for off := uint64(0); ; {
		start, err := f.SeekData(off)
		if err != nil {
			wantErrno(t, err, syscall.ENXIO)
			return data
		}
		end, err := f.SeekHole(start)
		must(t, err)
		if start < off || end <= start {
			t.Fatalf("from %d, data begins at %d and ends at %d", off, start, end)
		}
		data.Add(start, end-start)
		off = end
	}
}

func (r rig) wantData(f *rbdio.Handle, want ...rbdio.Extent) {
	r.t.Helper()
	data := dataMap(r.t, f)
	if got := data.Extents(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Fatalf("data is in %v, want %v", got, want)
	}
}

func objects(first, n uint64) rbdio.Extent {
	return rbdio.Extent{Off: first * object, Len: n * object}
}

func TestExtentsAreFreshAfterOwnChanges(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100*object), true)
		defer r.release(f)
		r.wantData(f)
		must(t, f.WriteAt([]byte{1}, 10*object+5))
		r.wantData(f, objects(10, 1))
		must(t, f.WriteAt(filled(2, 1), 21*object-1))
		r.wantData(f, objects(10, 1), objects(20, 2))
		must(t, f.Zero(10*object, object))
		r.wantData(f, objects(20, 2))
		must(t, f.WriteAt([]byte{1}, 30*object)) // written and punched without a flush
		must(t, f.Zero(30*object, object))
		r.wantData(f, objects(20, 2))
		must(t, f.Zero(20*object, object+100)) // frees what is whole
		r.wantData(f, objects(21, 1))
		must(t, f.Truncate(21*object))
		r.wantData(f)
		must(t, f.WriteAt([]byte{1}, 200*object)) // behind the old end
		r.wantData(f, rbdio.Extent{Off: 200 * object, Len: 1})
		must(t, f.Extend(300*object))
		r.wantData(f, objects(200, 1))
	})
}

func TestSeekPastTheEndIsENXIO(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100), false)
		defer r.release(f)
		for _, off := range []uint64{100, 101, 1 << 62} {
			_, err := f.SeekData(off)
			wantErrno(t, err, syscall.ENXIO)
			_, err = f.SeekHole(off)
			wantErrno(t, err, syscall.ENXIO)
		}
		_, err := f.SeekData(0)
		wantErrno(t, err, syscall.ENXIO)
		if off, err := f.SeekHole(99); off != 99 || err != nil {
			t.Errorf("the hole begins at %d, %v", off, err)
		}
	})
}

func TestExtentsAreAskedForOnce(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100_000*object), false)
		defer r.release(f)
		r.wantData(f)
		calls := r.pool.Calls("Extents") // windows of 256 objects, doubling
		if calls > 12 {
			t.Errorf("a walk over 100,000 objects made %d calls", calls)
		}
		must(t, r.pool.Foreign().Write(f.ID(), []byte{1}, 5*object))
		r.wantData(f)
		if again := r.pool.Calls("Extents"); again != calls {
			t.Errorf("the same walk made %d calls more", again-calls)
		}
		time.Sleep(1100 * time.Millisecond) // then another client's data shows
		r.wantData(f, objects(5, 1))
	})
}

func TestExtentsThatCannotBeTrustedAreAllData(t *testing.T) {
	all := objects(0, 10)
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), false)
		must(t, r.pool.Foreign().SetObjectMapInvalid(f.ID(), true))
		r.wantData(f, all)
		r.pool.Fail("Extents", 1, syscall.EIO)
		time.Sleep(2 * time.Second)
		_, err := f.SeekData(0)
		wantErrno(t, err, syscall.EIO)
		r.release(f)
	})
	inBubble(t, rbdio.FilesOptions{NoExtents: true}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), false)
		r.wantData(f, all)
		if calls := r.pool.Calls("Extents"); calls > 0 {
			t.Errorf("asked for extents %d times", calls)
		}
		r.release(f)
	})
}

func TestSeekThatCannotFlushFails(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), true)
		must(t, f.WriteAt([]byte{1}, 0))
		r.pool.Fail("Flush", 1, syscall.EIO)
		_, err := f.SeekData(0)
		wantErrno(t, err, syscall.EIO)
		r.wantData(f, objects(0, 1))
		wantErrno(t, f.Release(), syscall.EIO) // whoever wrote has not heard of it
	})
}

// The cluster does not know of a write on its way, whatever was flushed and
// asked meanwhile.
func TestWriteOnItsWayIsNoHoleAfterwards(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), true)
		defer r.release(f)
		release := r.pool.Block("WriteAt")
		write := begin(func() error { return f.WriteAt([]byte{1}, 5*object) })
		synctest.Wait()
		must(t, f.Fsync())
		time.Sleep(2 * time.Second) // what is known is forgotten
		dataMap(t, f)               // and learned without the write
		release()
		must(t, write())
		r.wantData(f, objects(5, 1))
	})
}

func TestExtentsAskedForBesideAZeroAreNotKept(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 10*object), true)
		defer r.release(f)
		must(t, f.WriteAt([]byte{1}, 5*object))
		must(t, f.Fsync())
		release := r.pool.Block("Extents")
		seek := begin(func() error { _, err := f.SeekData(0); return err })
		synctest.Wait()
		must(t, f.Zero(0, 10*object))
		release()
		_ = seek()
		r.wantData(f)
	})
}

// holeModel is a file of which each writer owns a part, and what they wrote.
type holeModel struct {
	f    *rbdio.Handle
	mu   sync.Mutex // guards data
	data []byte
}

const (
	holeWriters = 3
	holePart    = 8 * object // bytes, of each writer
)

// Holes are never reported where data is, while several write, zero, flush and
// seek, with pauses in which what is known goes stale.
func TestHolesHoldNoDataBesideWriters(t *testing.T) {
	rnd := newRand(t)
	for range 20 {
		inBubble(t, rbdio.FilesOptions{}, func(r rig) {
			m := &holeModel{f: r.open(r.create("vm1", 0), true), data: make([]byte, holeWriters*holePart)}
			defer r.release(m.f)
			must(t, m.f.Extend(uint64(len(m.data))))
			for _, op := range []string{"WriteAt", "Extents", "Flush", "WriteZeroes"} {
				r.pool.Delay(op, time.Duration(rnd.Int64N(int64(400*time.Millisecond))))
			}
			var wg sync.WaitGroup
			for w := range holeWriters {
				own := rand.New(rand.NewPCG(rnd.Uint64(), 0))
				wg.Go(func() { m.work(r.t, own, w*holePart) })
			}
			wg.Wait()
			m.check(r.t, 0, uint64(len(m.data)))
		})
	}
}

// work changes the part at start, and looks at it and at the others'.
func (m *holeModel) work(t *testing.T, rnd *rand.Rand, start int) {
	for range 40 {
		off := start + rnd.IntN(holePart)
		n := 1 + rnd.IntN(min(2*object, start+holePart-off))
		switch rnd.IntN(6) {
		case 0, 1:
			p := filled(n, byte(1+rnd.IntN(255)))
			must(t, m.f.WriteAt(p, uint64(off)))
			m.set(off, p)
		case 2:
			m.set(off, make([]byte, n)) // from now on it may be a hole
			must(t, m.f.Zero(uint64(off), uint64(n)))
		case 3:
			must(t, m.f.Fsync())
		case 4:
			time.Sleep(time.Duration(rnd.Int64N(int64(2 * time.Second))))
		case 5:
			m.check(t, uint64(start), uint64(start+holePart))
		}
	}
}

func (m *holeModel) set(off int, p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.data[off:], p)
}

// check walks a part that nobody else changes.
func (m *holeModel) check(t *testing.T, start, end uint64) {
	for off := start; off < end; {
		next, err := m.f.SeekData(off)
		if err != nil {
			wantErrno(t, err, syscall.ENXIO)
			next = end
		}
		next = min(next, end)
		m.mu.Lock()
		for i, b := range m.data[off:next] {
			if b != 0 {
				t.Errorf("byte %d is %#x, in a hole from %d to %d", int(off)+i, b, off, next)
				break
			}
		}
		m.mu.Unlock()
		if off = next; off < end {
			off, err = m.f.SeekHole(off)
			must(t, err)
		}
	}
}
