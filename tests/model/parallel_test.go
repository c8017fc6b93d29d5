package model

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The file of TestParallel. Worker k has pages k, k+workers, k+2*workers and so
// on, since writers of one page disturb each other through mappings.
const (
	page         = 4096
	workers      = 6
	pagesEach    = 24
	parallelSize = page * workers * pagesEach
	parallelOps  = 150 // each worker
)

// worker changes its own pages, and knows what must be in them.
type worker struct {
	number int
	fd     int
	mem    []byte // the whole file mapped, for two of the workers
	rand   *rand.Rand
	want   []byte // the whole file; only the worker's pages are right
}

// TestParallel has several programs at one file at the same time, with O_DIRECT,
// without, and through mappings, each in pages of its own.
func TestParallel(t *testing.T) {
	env.Mount.Check(t)
	seed, err := strconv.ParseUint(flag.Lookup("rapid.seed").Value.String(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("model: seed %d", seed)
	path := env.Mount.Path("parallel")
	if err := os.WriteFile(path, make([]byte, parallelSize), 0o600); err != nil {
		t.Fatal(err)
	}
	all := make([]*worker, workers)
	for k := range all {
		all[k] = newWorker(t, path, k, seed)
	}
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { w.work(t) })
	}
	wg.Wait()
	want := make([]byte, parallelSize)
	for _, w := range all {
		w.close(t)
		for p := range pagesEach {
			off := w.page(p)
			copy(want[off:off+page], w.want[off:])
		}
	}
	t.Logf("model: %d steps", workers*parallelOps)
	compareParallel(t, want)
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

// compareParallel compares the whole file by every way.
func compareParallel(t *testing.T, want []byte) {
	path := env.Mount.Path("parallel")
	for way, read := range map[string]func() ([]byte, error){
		"O_DIRECT":   func() ([]byte, error) { return readAll(path, syscall.O_DIRECT) },
		"buffered":   func() ([]byte, error) { return readAll(path, 0) },
		"mapped":     func() ([]byte, error) { return readMapped(path, parallelSize) },
		"rbd export": func() ([]byte, error) { return export("parallel") },
	} {
		got, err := read()
		if err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s: %v: %s", way, err, difference(want, got))
		}
	}
}

// newWorker opens the file: two workers by O_DIRECT, two buffered, two mapped.
func newWorker(t *testing.T, path string, k int, seed uint64) *worker {
	w := &worker{number: k, rand: rand.New(rand.NewPCG(seed, uint64(k))), want: make([]byte, parallelSize)}
	flags := syscall.O_RDWR | syscall.O_CLOEXEC
	if k%3 == 0 {
		flags |= syscall.O_DIRECT
	}
	var err error
	if w.fd, err = syscall.Open(path, flags, 0); err != nil {
		t.Fatal(err)
	}
	if k%3 == 1 {
		w.mem, err = unix.Mmap(w.fd, 0, parallelSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// page is where the worker's page p begins.
func (w *worker) page(p int) int { return (p*workers + w.number) * page }

// work does the worker's operations.
func (w *worker) work(t *testing.T) {
	for i := range parallelOps {
		off := w.page(w.rand.IntN(pagesEach))
		from := off + w.rand.IntN(page)
		to := from + w.rand.IntN(off+page-from) + 1
		var err error
		switch op := w.rand.IntN(10); {
		case op < 4:
			err = w.write(from, to)
		case op < 8:
			err = w.check(from, to)
		case op == 8:
			err = unix.Fallocate(w.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(from), int64(to-from))
			clear(w.want[from:to])
		default:
			err = w.sync()
		}
		if err != nil {
			t.Errorf("worker %d, operation %d, [%d, %d): %v", w.number, i, from, to, err)
			return
		}
	}
}

// write changes a range.
func (w *worker) write(from, to int) error {
	for i := from; i < to; i++ {
		w.want[i] = byte(w.rand.Uint32())
	}
	if w.mem != nil {
		copy(w.mem[from:to], w.want[from:to])
		return nil
	}
	_, err := unix.Pwrite(w.fd, w.want[from:to], int64(from))
	return err
}

// check reads a range back.
func (w *worker) check(from, to int) error {
	got := make([]byte, to-from)
	if w.mem != nil {
		copy(got, w.mem[from:to])
	} else if _, err := unix.Pread(w.fd, got, int64(from)); err != nil {
		return err
	}
	if !bytes.Equal(w.want[from:to], got) {
		return fmt.Errorf("read back: %s", difference(w.want[from:to], got))
	}
	return nil
}

// sync flushes.
func (w *worker) sync() error {
	if w.mem != nil {
		return unix.Msync(w.mem, unix.MS_SYNC)
	}
	return unix.Fsync(w.fd)
}

func (w *worker) close(t *testing.T) {
	if w.mem != nil {
		if err := unix.Munmap(w.mem); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Close(w.fd); err != nil {
		t.Error(err)
	}
}
