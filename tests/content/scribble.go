package content

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Open opens a file, and closes it when the test ends, unless that was done.
func Open(tb testing.TB, path string, flags int) *os.File {
	tb.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// Close closes a file: what was written must be safe.
func Close(tb testing.TB, f *os.File) {
	tb.Helper()
	if err := f.Close(); err != nil {
		tb.Fatalf("close %s: %v", f.Name(), err)
	}
}

// Scribble changes the file at path in n random ways, at odd offsets and over
// the bounds of objects, and closes it. Half of the times it opens it O_DIRECT.
func (c *Content) Scribble(tb testing.TB, path string, n int) {
	tb.Helper()
	flags := os.O_RDWR
	if c.Rand.IntN(2) == 0 {
		flags |= unix.O_DIRECT
	}
	f := Open(tb, path, flags)
	defer Close(tb, f)
	for range n {
		c.change(tb, f)
	}
	c.CheckRead(tb, f, n/2)
}

// change makes one random change. The size stays within a quarter of what it is.
func (c *Content) change(tb testing.TB, f *os.File) {
	tb.Helper()
	size := len(c.Bytes)
	off := c.Rand.IntN(size)
	length := 1 + c.Rand.IntN(1<<c.Rand.IntN(20))
	switch c.Rand.IntN(12) {
	case 0:
		c.Punch(tb, f, off, length)
	case 1:
		c.Punch(tb, f, off, size/3) // whole objects
	case 2:
		c.Truncate(tb, f, size-c.Rand.IntN(size/4+1))
	case 3:
		c.Truncate(tb, f, size+c.Rand.IntN(size/4+1))
	case 4:
		if err := f.Sync(); err != nil {
			tb.Fatal(err)
		}
	default:
		c.Write(tb, f, off, min(length, size-off+1000))
	}
}
