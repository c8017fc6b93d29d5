package librbd

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// model is an image and what it must hold.
type model struct {
	t    *testing.T
	img  rbdio.Image
	data []byte
	rng  *rand.Rand
}

// newModel starts with an empty image of a size.
func newModel(t *testing.T, img rbdio.Image, size uint64) *model {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &model{t: t, img: img, data: make([]byte, size), rng: rand.New(rand.NewPCG(seed, 0))}
}

// span is a random range inside the image: now short, now long, now aligned.
func (m *model) span() (off, length int) {
	length = 1 + m.rng.IntN([]int{100, 5000, 300_000, len(m.data)}[m.rng.IntN(4)])
	length = min(length, len(m.data))
	off = m.rng.IntN(len(m.data) - length + 1)
	if align := []int{1, 512, 4096, 65536}[m.rng.IntN(4)]; off > align {
		off -= off % align
	}
	return off, length
}

// step changes the image and the model alike.
func (m *model) step() {
	m.t.Helper()
	off, length := m.span()
	switch m.rng.IntN(5) {
	case 0, 1:
		p := m.data[off : off+length]
		for i := range p {
			p[i] = byte(m.rng.Uint32()) | 1 // never a zero
		}
		must(m.t, m.img.WriteAt(p, uint64(off)))
	case 2, 3:
		must(m.t, m.img.WriteZeroes(uint64(off), uint64(length)))
		clear(m.data[off : off+length])
	default:
		must(m.t, m.img.Flush())
	}
}

// check compares everything.
func (m *model) check() {
	m.t.Helper()
	compare(m.t, m.img, m.data)
	must(m.t, m.img.Flush())
	checkExtents(m.t, m.img, m.data, 0, uint64(len(m.data)))
	off, length := m.span()
	checkExtents(m.t, m.img, m.data, uint64(off), uint64(length))
}

// compare reads an image in odd pieces and compares it.
func compare(t *testing.T, img rbdio.ReadImage, want []byte) {
	t.Helper()
	buf := make([]byte, 1<<20+13)
	for off := 0; off <= len(want); off += len(buf) {
		n, err := img.ReadAt(buf, uint64(off))
		must(t, err)
		if !bytes.Equal(buf[:n], want[off:min(off+len(buf), len(want))]) {
			t.Fatalf("the contents differ at %d + %d", off, firstDifference(buf[:n], want[off:]))
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// checkExtents asks for a range's extents: in order, apart, inside the range, on
// the borders of periods, and nothing but zeros between them.
func checkExtents(t *testing.T, img rbdio.ReadImage, data []byte, off, length uint64) []rbdio.Extent {
	t.Helper()
	list, err := img.Extents(off, length)
	must(t, err)
	end := min(off+length, uint64(len(data)))
	at := off
	for i, e := range list {
		if e.Len == 0 || e.Off < at || e.End() > end || i > 0 && e.Off == at {
			t.Fatalf("extents of [%d, %d): %v", off, end, list)
		}
		if e.Off != off && e.Off%img.Layout() != 0 || e.End() != end && e.End()%img.Layout() != 0 {
			t.Fatalf("extents of [%d, %d) with periods of %d: %v", off, end, img.Layout(), list)
		}
		if k := slices.IndexFunc(data[at:e.Off], notZero); k >= 0 {
			t.Fatalf("extents of [%d, %d): data at %d is in none of %v", off, end, at+uint64(k), list)
		}
		at = e.End()
	}
	if k := slices.IndexFunc(data[at:end], notZero); k >= 0 {
		t.Fatalf("extents of [%d, %d): data at %d is in none of %v", off, end, at+uint64(k), list)
	}
	return list
}

func notZero(b byte) bool { return b != 0 }
