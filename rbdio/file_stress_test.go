package rbdio_test

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// stress is one file that several goroutines use at once, in real time.
type stress struct {
	t     *testing.T
	pool  *memrbd.Pool
	files *rbdio.Files
	f     *rbdio.Handle
}

func newStress(t *testing.T) *stress {
	s := &stress{t: t, pool: newPool()}
	s.files = newFiles(s.pool, rbdio.FilesOptions{ReadOnly: true})
	id, err := s.pool.Create("vm1")
	must(t, err)
	s.f, err = s.files.Open(id, true)
	must(t, err)
	return s
}

func (s *stress) close() {
	s.t.Helper()
	must(s.t, s.f.Release())
	must(s.t, s.files.Close())
	checkLeaks(s.t, s.pool)
}

// beside runs calls over and over until do has returned.
func (s *stress) beside(do func(), calls ...func() error) {
	s.t.Helper()
	var wg sync.WaitGroup
	done := make(chan struct{})
	for _, call := range calls {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := call(); err != nil {
					s.t.Error(err)
					return
				}
			}
		})
	}
	do()
	close(done)
	wg.Wait()
}

// Several append while the file settles again and again: nothing is cut off.
func TestGrowthLosesNothingBesideSettling(t *testing.T) {
	const writers, records, record = 4, 2000, 8
	s := newStress(t)
	write := func() {
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for k := range records {
					n := uint64(k*writers + w)
					must(t, s.f.WriteAt(binary.LittleEndian.AppendUint64(nil, n+1), n*record))
				}
			})
		}
		wg.Wait()
	}
	s.beside(write, s.f.Fsync, s.f.Settle, func() error { _, err := s.f.Stat(); return err },
		func() error { _, err := s.f.ReadAt(make([]byte, 4096), s.f.Size()/2); return err })
	must(t, s.f.Fsync())
	var want []byte
	for n := range uint64(writers * records) {
		want = binary.LittleEndian.AppendUint64(want, n+1)
	}
	wantBytes(t, s.f, 0, want)
	wantDurable(t, s.pool, s.f.ID(), 0, string(want))
	if info, err := s.pool.Stat(s.f.ID()); err != nil || info.Size != uint64(len(want)) {
		t.Errorf("the image has %d bytes, want %d; %v", info.Size, len(want), err)
	}
	s.close()
}

// Truncations, writes and reads overlap: the size is always one that a call left,
// reading it is no error, and what was cut reads as zeros.
func TestTruncateBesideWritersAndReaders(t *testing.T) {
	s := newStress(t)
	rnd := newRand(t)
	truncate := func() {
		for range 2000 {
			must(t, s.f.Truncate(uint64(rnd.IntN(8*object))))
		}
	}
	own := rand.New(rand.NewPCG(rnd.Uint64(), 0))
	s.beside(truncate, s.f.Fsync,
		func() error { return s.f.WriteAt(filled(own.IntN(object), 7), uint64(own.IntN(8*object))) },
		func() error { return s.f.Zero(100, 5000) },
		func() error { _, err := s.f.ReadAt(make([]byte, 10*object), 0); return err },
		func() error { _, err := s.f.SeekHole(0); return ignoreENXIO(err) },
		func() error { _, err := s.f.Stat(); return err })
	must(t, s.f.Fsync())
	size := s.f.Size()
	if info, err := s.pool.Stat(s.f.ID()); err != nil || info.Size != size {
		t.Errorf("the file has %d bytes, and the image %d; %v", size, info.Size, err)
	}
	must(t, s.f.Truncate(0))
	must(t, s.f.Truncate(20*object))
	wantBytes(t, s.f, 0, make([]byte, 20*object))
	s.close()
}

// Users come and go while others read and write: the image is open in the mode
// that they need, and closed at the end.
func TestUsersComeAndGo(t *testing.T) {
	s := newStress(t)
	id := s.f.ID()
	must(t, s.f.Truncate(10*object))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for k := range 200 {
				f, err := s.files.Open(id, w%2 == 0)
				must(t, err)
				if w%2 == 0 {
					must(t, f.WriteAt(filled(object, byte(k)), uint64(w*object)))
				} else if n, err := f.ReadAt(make([]byte, 10*object), 0); n != 10*object || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
				if _, err := f.Stat(); err != nil {
					t.Error(err)
				}
				must(t, f.Release())
			}
		})
	}
	must(t, s.f.Release()) // so that modes change
	wg.Wait()
	if ids := s.files.OpenIDs(); len(ids) > 0 {
		t.Errorf("open images are left: %v", ids)
	}
	must(t, s.files.Close())
	checkLeaks(t, s.pool)
	wantDurable(t, s.pool, id, 2*object, string(filled(object, 199)))
}
