package rbdio_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

const (
	object = 4096    // bytes in an object of the tests' pools
	mib    = 1 << 20 // bytes
	gib    = 1 << 30 // bytes
)

// rig is a pool whose writes stay in a cache until they are flushed, and a
// mount's table of open images on it.
type rig struct {
	t     *testing.T
	pool  *memrbd.Pool
	files *rbdio.Files
}

// inBubble runs a test on a rig, in a bubble of testing/synctest: time passes
// only when all are waiting, and at once. It fails when an image is left open.
func inBubble(t *testing.T, opts rbdio.FilesOptions, test func(rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := rig{t: t, pool: newPool()}
		r.files = newFiles(r.pool, opts)
		test(r)
		if ids := r.files.OpenIDs(); len(ids) > 0 {
			t.Errorf("open images are left: %v", ids)
		}
		if err := r.files.Close(); err != nil {
			t.Errorf("Files.Close: %v", err)
		}
		checkLeaks(t, r.pool)
	})
}

func newPool() *memrbd.Pool {
	return memrbd.New(memrbd.Options{ObjectSize: object, WriteBack: true})
}

func newFiles(pool rbdio.Pool, opts rbdio.FilesOptions) *rbdio.Files {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return rbdio.NewFiles(pool, opts)
}

// checkLeaks fails when an image is open; closing the pool would too.
func checkLeaks(t rapid.TB, pool *memrbd.Pool) {
	t.Helper()
	if readers, writers := pool.OpenCounts(); readers+writers > 0 {
		t.Errorf("%d images are open for reading, %d for writing", readers, writers)
	}
}

// create makes an image, as another client does.
func (r rig) create(name string, size uint64) string {
	r.t.Helper()
	id, err := r.pool.Foreign().Create(name, size)
	must(r.t, err)
	return id
}

func (r rig) open(id string, write bool) *rbdio.Handle {
	r.t.Helper()
	f, err := r.files.Open(id, write)
	must(r.t, err)
	return f
}

func (r rig) release(f *rbdio.Handle) {
	r.t.Helper()
	must(r.t, f.Release())
}

// wantOpen compares how many images are open, after those on their way out.
func (r rig) wantOpen(readers, writers int) {
	r.t.Helper()
	synctest.Wait()
	if gotR, gotW := r.pool.OpenCounts(); gotR != readers || gotW != writers {
		r.t.Fatalf("%d images are open for reading and %d for writing, want %d and %d", gotR, gotW, readers, writers)
	}
}

// wantSizes compares a file's size and its image's.
func (r rig) wantSizes(f *rbdio.Handle, size, physical uint64) {
	r.t.Helper()
	if got := f.Size(); got != size {
		r.t.Fatalf("the file has %d bytes, want %d", got, size)
	}
	if got := r.physical(f.ID()); got != physical {
		r.t.Fatalf("the image has %d bytes, want %d", got, physical)
	}
}

// physical returns the size of an image, as another client sees it.
func (r rig) physical(id string) uint64 {
	r.t.Helper()
	info, err := r.pool.Stat(id)
	must(r.t, err)
	return info.Size
}

// begin runs a call in the background; the function that it returns waits for
// the call's error.
func begin(call func() error) (end func() error) {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return func() error { return <-done }
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t rapid.TB, err error, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Fatalf("error is %v, want %v", err, errno)
	}
}

// wantBytes reads as many bytes at fileOff and compares.
func wantBytes(t rapid.TB, f *rbdio.Handle, fileOff uint64, want []byte) {
	t.Helper()
	got := bytes.Repeat([]byte{0xAA}, len(want))
	n, err := f.ReadAt(got, fileOff)
	must(t, err)
	if !bytes.Equal(got[:n], want) {
		t.Fatalf("%d bytes at %d: %s", n, fileOff, difference(got[:n], want))
	}
}

// difference says where two slices differ first.
func difference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is %#x, want %#x", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
}

// filled returns n bytes of one value.
func filled(n int, value byte) []byte { return bytes.Repeat([]byte{value}, n) }

// newRand returns a source of random data, and prints its seed.
func newRand(t rapid.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func ignoreENXIO(err error) error {
	if errors.Is(err, syscall.ENXIO) {
		return nil
	}
	return err
}
