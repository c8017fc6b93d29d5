package content

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Content is what a file should hold, and a source of random changes to it.
type Content struct {
	Bytes []byte
	Rand  *rand.Rand

	noise *rand.ChaCha8 // of the bytes written
}

// New is a file of size zero bytes; it logs the seed of its changes.
func New(tb testing.TB, size int) *Content {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	tb.Logf("seed %d", seed)
	return &Content{
		Bytes: make([]byte, size),
		Rand:  rand.New(rand.NewPCG(seed, 1)),
		noise: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}),
	}
}

// Load is what the file at path holds now.
func Load(tb testing.TB, path string) *Content {
	tb.Helper()
	c := New(tb, 0)
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	c.Bytes = data
	return c
}

// Write writes n random bytes at off.
func (c *Content) Write(tb testing.TB, f *os.File, off, n int) {
	tb.Helper()
	if err := c.TryWrite(f, off, n); err != nil {
		tb.Fatalf("write %d bytes at %d: %v", n, off, err)
	}
}

// TryWrite is Write where an error is possible; what the file holds is unknown
// after one.
func (c *Content) TryWrite(f *os.File, off, n int) error {
	p := make([]byte, n)
	_, _ = c.noise.Read(p) // never an error
	_, err := f.WriteAt(p, int64(off))
	c.grow(off + n)
	copy(c.Bytes[off:], p)
	return err
}

// grow makes the content reach to end at least.
func (c *Content) grow(end int) {
	if end > len(c.Bytes) {
		c.Bytes = append(c.Bytes, make([]byte, end-len(c.Bytes))...)
	}
}

// Truncate sets the size.
func (c *Content) Truncate(tb testing.TB, f *os.File, size int) {
	tb.Helper()
	if err := f.Truncate(int64(size)); err != nil {
		tb.Fatalf("truncate to %d: %v", size, err)
	}
	c.grow(size)
	c.Bytes = c.Bytes[:size]
}

// Punch makes a hole that must read back as zeros to the byte.
func (c *Content) Punch(tb testing.TB, f *os.File, off, n int) {
	tb.Helper()
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(f.Fd()), mode, int64(off), int64(n)); err != nil {
		tb.Fatalf("punch %d bytes at %d: %v", n, off, err)
	}
	if off < len(c.Bytes) {
		clear(c.Bytes[off:min(off+n, len(c.Bytes))])
	}
}

// CheckRead reads random ranges at odd offsets.
func (c *Content) CheckRead(tb testing.TB, f *os.File, times int) {
	tb.Helper()
	for range times {
		off := c.Rand.IntN(len(c.Bytes) + 1)
		p := make([]byte, 1+c.Rand.IntN(300_000))
		n, err := f.ReadAt(p, int64(off))
		want := c.Bytes[off:min(off+len(p), len(c.Bytes))]
		if err != nil && (err != io.EOF || n != len(want)) {
			tb.Fatalf("read %d bytes at %d: %v after %d", len(p), off, err, n)
		}
		same(tb, "a read", p[:n], want, off)
	}
}

// same fails unless both are equal, and names the first byte that is not.
func same(tb testing.TB, what string, got, want []byte, off int) {
	tb.Helper()
	if bytes.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			tb.Fatalf("%s: byte %d is %#x, want %#x (%d and %d bytes)", what, off+i, got[i], want[i], len(got), len(want))
		}
	}
	tb.Fatalf("%s: %d bytes at %d, want %d", what, len(got), off, len(want))
}
