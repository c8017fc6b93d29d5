package content

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Check compares the file at path, freshly opened, with the content.
func (c *Content) Check(tb testing.TB, path string) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	same(tb, "read through the page cache", data, c.Bytes, 0)
	f := Open(tb, path, os.O_RDONLY|unix.O_DIRECT)
	defer Close(tb, f)
	p := make([]byte, len(c.Bytes))
	if _, err := f.ReadAt(p, 0); err != nil && len(p) > 0 {
		tb.Fatalf("read by O_DIRECT: %v", err)
	}
	same(tb, "read by O_DIRECT", p, c.Bytes, 0)
	c.checkHoles(tb, f)
	c.checkStat(tb, path)
}

// Range is [Off, End).
type Range struct{ Off, End int64 }

// DataRanges walks a file by SEEK_DATA and SEEK_HOLE.
func DataRanges(tb testing.TB, f *os.File) []Range {
	tb.Helper()
	var list []Range
	for at := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			return list
		}
		if err != nil || data < at {
			tb.Fatalf("SEEK_DATA from %d: %d, %v", at, data, err)
		}
		at, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil || at <= data {
			tb.Fatalf("SEEK_HOLE from data at %d: %d, %v", data, at, err)
		}
		list = append(list, Range{data, at})
	}
}

// checkHoles fails when a hole has a byte that is not zero.
func (c *Content) checkHoles(tb testing.TB, f *os.File) {
	tb.Helper()
	at := int64(0)
	ranges := append(DataRanges(tb, f), Range{Off: int64(len(c.Bytes))})
	for _, r := range ranges {
		if i := c.nonzero(at, r.Off); i >= 0 {
			tb.Fatalf("byte %d is %#x and lies in a hole; data ranges: %v", i, c.Bytes[i], ranges)
		}
		at = r.End
	}
}

// nonzero returns the first byte in [from, to) that is not zero, or -1.
func (c *Content) nonzero(from, to int64) int64 {
	for i := from; i < to; i++ {
		if c.Bytes[i] != 0 {
			return i
		}
	}
	return -1
}

// checkStat fails when st_size is wrong, or st_blocks says that there is no data
// where there is, or more than there can be.
func (c *Content) checkStat(tb testing.TB, path string) {
	tb.Helper()
	st := Stat(tb, path)
	size := int64(len(c.Bytes))
	if st.Size != size {
		tb.Fatalf("%s: st_size %d, want %d", path, st.Size, size)
	}
	if st.Blocks == 0 && c.nonzero(0, size) >= 0 {
		tb.Fatalf("%s: st_blocks is 0 and there is data", path)
	}
	if st.Blocks > max((size+511)/512, 1) {
		tb.Fatalf("%s: st_blocks %d for %d bytes", path, st.Blocks, size)
	}
}

// Stat is lstat(2), or the test's end.
func Stat(tb testing.TB, path string) unix.Stat_t {
	tb.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		tb.Fatalf("stat %s: %v", path, err)
	}
	return st
}
