package rbdio

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bitmap is the set that ExtentSet is compared with: one bool for each of the
// bytes from base on. Behind its last byte is the end of all offsets, when base
// is bitmapTop, or nothing that a test adds.
type bitmap struct {
	base uint64
	bit  [bitmapLen]bool
}

const (
	bitmapLen = 96
	bitmapTop = math.MaxUint64 - bitmapLen // its last byte is math.MaxUint64-1
)

// set gives the bytes of [off, off+length) a value.
func (b *bitmap) set(off, length uint64, to bool) {
	for i := range b.bit {
		if at := b.base + uint64(i); at >= off && at-off < length {
			b.bit[i] = to
		}
	}
}

// covers compares byte by byte; bytes that the bitmap lacks are not covered.
func (b *bitmap) covers(off, length uint64) bool {
	if length > uint64(bitmapLen) {
		return false
	}
	for n := range length {
		i := off + n - b.base // wraps to a large number below base
		if i >= bitmapLen || !b.bit[i] {
			return false
		}
	}
	return true
}

// next returns the first byte in [off, limit) that has a value.
func (b *bitmap) next(off, limit uint64, value bool) (uint64, bool) {
	for at := off; at < limit; at++ {
		i := at - b.base
		if (i < bitmapLen && b.bit[i]) == value {
			return at, true
		}
	}
	return 0, false
}

// extents returns the runs of the bytes in [off, off+length) that are set.
func (b *bitmap) extents(off, length uint64) (runs []Extent) {
	open := false
	for i, set := range b.bit {
		at := b.base + uint64(i)
		set = set && at >= off && at-off < length
		switch {
		case set && open:
			runs[len(runs)-1].Len++
		case set:
			runs = append(runs, Extent{Off: at, Len: 1})
		}
		open = set
	}
	return runs
}

// checkSet fails unless set and want answer alike to every question about
// [off, off+length).
func checkSet(t rapid.TB, set *ExtentSet, want *bitmap, off, length uint64) {
	t.Helper()
	if got, want := set.Extents(), want.extents(0, math.MaxUint64); !slices.Equal(got, want) {
		t.Fatalf("Extents() = %v, want %v", got, want)
	}
	var total uint64
	for _, bit := range want.bit {
		if bit {
			total++
		}
	}
	if got := set.Total(); got != total {
		t.Fatalf("Total() = %d, want %d", got, total)
	}
	if got, want := set.Covers(off, length), want.covers(off, length); got != want {
		t.Fatalf("Covers(%d, %d) = %v", off, length, got)
	}
	if got, want := set.Clip(off, length), want.extents(off, length); !slices.Equal(got, want) {
		t.Fatalf("Clip(%d, %d) = %v, want %v", off, length, got, want)
	}
	limit := rangeEnd(off, length)
	wantAt, wantOK := want.next(off, limit, true)
	if got, ok := set.NextData(off, limit); ok != wantOK || ok && got != wantAt {
		t.Fatalf("NextData(%d, %d) = %d, %v, want %d, %v", off, limit, got, ok, wantAt, wantOK)
	}
	if wantAt, wantOK = want.next(off, limit, false); !wantOK {
		wantAt = limit
	}
	if got := set.NextHole(off, limit); got != wantAt {
		t.Fatalf("NextHole(%d, %d) = %d, want %d", off, limit, got, wantAt)
	}
}

func TestExtentSetIsASetOfBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := bitmap{base: rapid.SampledFrom([]uint64{0, 1 << 40, bitmapTop}).Draw(t, "base")}
		off := rapid.Custom(func(t *rapid.T) uint64 {
			return want.base + rapid.Uint64Range(0, bitmapLen-1).Draw(t, "i")
		})
		length := rapid.Custom(func(t *rapid.T) uint64 {
			n := rapid.Uint64Range(0, bitmapLen).Draw(t, "n")
			if want.base == bitmapTop && n == bitmapLen {
				return math.MaxUint64 // past the end of all offsets
			}
			return n
		})
		inside := func(off, n uint64) uint64 { // what base leaves of n
			if want.base == bitmapTop {
				return n
			}
			return min(n, want.base+bitmapLen-off)
		}
		var set ExtentSet
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				at, n := off.Draw(t, "off"), length.Draw(t, "len")
				n = inside(at, n)
				set.Add(at, n)
				want.set(at, n, true)
			},
			"remove": func(t *rapid.T) {
				at, n := off.Draw(t, "off"), length.Draw(t, "len")
				set.Remove(at, n)
				want.set(at, n, false)
			},
			"ask": func(t *rapid.T) {
				at, n := off.Draw(t, "off"), length.Draw(t, "len")
				checkSet(t, &set, &want, at, inside(at, n))
			},
		})
	})
}

// FuzzExtentSet reads three bytes as a call: what to do, an offset, a length.
func FuzzExtentSet(f *testing.F) {
	f.Add(false, []byte{0, 10, 5, 0, 15, 5, 0, 25, 5})         // touching, then apart
	f.Add(false, []byte{0, 0, 90, 1, 10, 10, 1, 0, 5})         // a hole inside, a cut at the front
	f.Add(false, []byte{0, 1, 3, 0, 7, 3, 0, 13, 3, 0, 2, 12}) // one over many
	f.Add(true, []byte{0, 90, 255, 1, 93, 1, 0, 0, 255})       // past the last offset
	f.Add(true, []byte{0, 0, 0, 1, 5, 0})                      // empty ranges
	f.Fuzz(func(t *testing.T, top bool, calls []byte) {
		var set ExtentSet
		var want bitmap
		if top {
			want.base = bitmapTop
		}
		for ; len(calls) >= 3; calls = calls[3:] {
			off, length := uint64(calls[1])%bitmapLen, uint64(calls[2])
			if top && length == math.MaxUint8 {
				length = math.MaxUint64
			}
			if !top {
				length = min(length, bitmapLen-off)
			}
			off += want.base
			if calls[0]%2 == 0 {
				set.Add(off, length)
			} else {
				set.Remove(off, length)
			}
			want.set(off, length, calls[0]%2 == 0)
			checkSet(t, &set, &want, off, length)
		}
	})
}

func TestExtentSetAtTheLastOffset(t *testing.T) {
	const last = uint64(math.MaxUint64)
	var set ExtentSet
	set.Add(last, 1) // the byte that no set holds
	if got := set.Extents(); len(got) != 0 {
		t.Fatalf("Extents() = %v, want none", got)
	}
	set.Add(0, last)
	if !set.Covers(0, last) || set.Covers(1, last) || set.Total() != last {
		t.Fatalf("all offsets: Extents() = %v", set.Extents())
	}
	set.Remove(1, last)
	if got := set.Extents(); !slices.Equal(got, []Extent{{Off: 0, Len: 1}}) {
		t.Fatalf("Extents() = %v, want the first byte", got)
	}
}

func TestExtentSetSlicesAreTheCallers(t *testing.T) {
	var set ExtentSet
	set.Add(10, 10)
	set.Extents()[0].Len = 1
	set.Clip(0, 100)[0].Len = 1
	if !set.Covers(10, 10) {
		t.Fatal("a caller's slice is part of the set")
	}
}

func BenchmarkExtentSetAppend(b *testing.B) {
	var set ExtentSet
	for i := range b.N {
		set.Add(uint64(i)*2, 1)
	}
}
