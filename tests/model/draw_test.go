package model

import (
	"fmt"
	"syscall"

	"pgregory.net/rapid"
)

// offset draws a position in a file of a size: anywhere, or close to where
// something begins or ends.
func (w *world) offset(t *rapid.T, size int64) int64 {
	unit := rapid.SampledFrom([]int64{1, 512, 4096, objectSize, 0}).Draw(t, "near multiples of")
	if unit == 0 {
		return w.bounded(size + rapid.Int64Range(-5000, 5000).Draw(t, "from the end"))
	}
	off := rapid.Int64Range(0, w.limit/unit).Draw(t, "multiple") * unit
	if unit > 1 && rapid.Bool().Draw(t, "beside it") {
		off += rapid.Int64Range(-3, 3).Draw(t, "by")
	}
	return w.bounded(off)
}

// bounded moves a position into the range of positions.
func (w *world) bounded(off int64) int64 { return min(max(off, 0), w.limit) }

// length draws a length for something at off that stays below the limit.
func (w *world) length(t *rapid.T, off int64) int64 {
	n := rapid.OneOf(
		rapid.Int64Range(0, 40),
		rapid.Int64Range(4000, 4200),
		rapid.SampledFrom([]int64{512, 4096, 8192, 3 * 4096, objectSize, objectSize - 1, 2 * objectSize}),
		rapid.Int64Range(0, 70000),
		rapid.Int64Range(0, w.limit),
	).Draw(t, "length")
	return min(n, w.limit-off)
}

// data draws n bytes to write: a pattern without zeros, or seldom only zeros.
func data(t *rapid.T, n int64) []byte {
	seed := rapid.IntRange(-1, 8).Draw(t, "pattern")
	b := make([]byte, n)
	if seed < 0 {
		return b
	}
	for i := range b {
		b[i] = byte(1 + (seed*31+i+i/255)%255)
	}
	return b
}

// handle draws one of the open handles.
func (w *world) handle(t *rapid.T) *handle {
	if len(w.handles) == 0 {
		t.Skip("nothing is open")
	}
	return rapid.SampledFrom(w.handles).Draw(t, "handle")
}

// name draws a name, of a file or not.
func (w *world) name(t *rapid.T, label string) string {
	return rapid.SampledFrom(w.names).Draw(t, label)
}

// directFlag draws O_DIRECT or nothing, as the configuration says.
func (w *world) directFlag(t *rapid.T) int {
	if w.direct(t) {
		return syscall.O_DIRECT
	}
	return 0
}

// GoString names the handle in rapid's list of draws.
func (h *handle) GoString() string { return fmt.Sprintf("%d(%s)", h.fd[image], h) }

// String names the handle in a failure.
func (h *handle) String() string {
	mode := map[int]string{syscall.O_RDONLY: "r", syscall.O_WRONLY: "w", syscall.O_RDWR: "rw"}[h.flags&syscall.O_ACCMODE]
	if h.flags&syscall.O_APPEND != 0 {
		mode += ",append"
	}
	if h.flags&syscall.O_DIRECT != 0 {
		mode += ",direct"
	}
	if h.flags&syscall.O_DSYNC != 0 { // part of O_SYNC
		mode += ",sync"
	}
	return mode
}
