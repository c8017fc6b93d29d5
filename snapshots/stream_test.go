package snapshots

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

// drawExtents draws extents of an image, in order and not overlapping.
func drawExtents(t *rapid.T, size uint64) []rbdio.DiffExtent {
	var list []rbdio.DiffExtent
	at := uint64(0)
	for at < size {
		at += rapid.Uint64Range(0, size/4).Draw(t, "gap")
		n := rapid.Uint64Range(1, size/3+1).Draw(t, "length")
		if at+n > size {
			break
		}
		list = append(list, rbdio.DiffExtent{Extent: rbdio.Extent{Off: at, Len: n}, Zero: rapid.Bool().Draw(t, "zero")})
		at += n
	}
	return list
}

// plain encodes extents one record at a time, as the format says.
func plain(list []rbdio.DiffExtent, image func(rbdio.Extent) []byte) []byte {
	var b []byte
	for _, e := range list {
		most, _ := recordsOf(e)
		for e.Len > 0 {
			r := rbdio.Extent{Off: e.Off, Len: min(e.Len, most)}
			if e.Zero {
				b = appendRange(b, tagZero, r)
			} else {
				b = append(appendRange(b, tagData, r), image(r)...)
			}
			e.Off, e.Len = e.Off+r.Len, e.Len-r.Len
		}
	}
	return append(b, tagEnd)
}

// pattern is an image whose bytes tell where they are.
func pattern(e rbdio.Extent) []byte {
	b := make([]byte, e.Len)
	for i := range b {
		at := e.Off + uint64(i)
		b[i] = byte(at ^ at>>8 ^ at>>16)
	}
	return b
}

// An index gives any part of the stream, by its offset, as the whole stream has it.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]uint64{12, 1000, 3 * maxDataRecord}).Draw(t, "size")
		b := &indexBuilder{imageSize: size, most: maxExtents}
		b.add(drawExtents(t, size))
		x := b.index()
		want := plain(b.list, pattern)
		if x.size != uint64(len(want)) {
			t.Fatalf("the size is %d, want %d", x.size, len(want))
		}
		for range 20 {
			off := rapid.Uint64Range(0, x.size).Draw(t, "off")
			n := rapid.Uint64Range(0, min(2*rangeHeader, x.size)).Draw(t, "n")
			if rapid.Bool().Draw(t, "long") {
				n = rapid.Uint64Range(0, x.size).Draw(t, "n")
			}
			var got []byte
			for _, p := range x.pieces(off, n) {
				if p.known == nil {
					p.known = pattern(p.data)
				}
				got = append(got, p.known...)
			}
			if end := min(off+n, x.size); !bytes.Equal(got, want[off:end]) {
				t.Fatalf("[%d, %d) of %d differs", off, end, x.size)
			}
		}
	})
}

// Long ranges of zeros, and an image of 16 TiB that is all data, take one extent.
func TestPiecesOfHugeExtents(t *testing.T) {
	const size = 16 << 40
	for _, zero := range []bool{false, true} {
		b := &indexBuilder{imageSize: size, most: maxExtents}
		for off := uint64(0); off < size; off += 1 << 35 {
			b.add([]rbdio.DiffExtent{{Extent: rbdio.Extent{Off: off, Len: 1 << 35}, Zero: zero}})
		}
		x := b.index()
		want := uint64(size/maxDataRecord*rangeHeader + size + 1)
		if zero {
			want = size/maxZeroRecord*rangeHeader + 1
		}
		if len(x.extents) != 1 || x.size != want {
			t.Errorf("zero %v: %d extents, %d bytes, want %d", zero, len(x.extents), x.size, want)
		}
		last := x.pieces(x.size-1, 100)
		if len(last) != 1 || string(last[0].known) != "e" {
			t.Errorf("zero %v: it ends with %+v", zero, last)
		}
	}
}

// However coarse an index becomes, it holds all that changed, and says of nothing
// else that it is zeros.
func TestCoarsen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 100*firstGranule).Draw(t, "size")
		list := drawExtents(t, size)
		b := &indexBuilder{imageSize: size, most: rapid.IntRange(1, 5).Draw(t, "most")}
		for _, e := range list {
			b.add([]rbdio.DiffExtent{e})
		}
		if len(b.list) > b.most {
			t.Fatalf("%d extents", len(b.list))
		}
		var all, zeros, wasZero rbdio.ExtentSet
		behind := uint64(0)
		for _, e := range b.list {
			if e.Off < behind || e.Len == 0 || e.End() > size {
				t.Fatalf("%+v", b.list)
			}
			behind = e.End()
			all.Add(e.Off, e.Len)
			if e.Zero {
				zeros.Add(e.Off, e.Len)
			}
		}
		for _, e := range list {
			if !all.Covers(e.Off, e.Len) {
				t.Fatalf("%+v is not in %+v", e, b.list)
			}
			if e.Zero {
				wasZero.Add(e.Off, e.Len)
			}
		}
		for _, e := range zeros.Extents() {
			if !wasZero.Covers(e.Off, e.Len) {
				t.Fatalf("%+v was not all zeros: %+v", e, list)
			}
		}
	})
}

func TestWindows(t *testing.T) {
	got := windows([]rbdio.Extent{{Off: 0, Len: 1}, {Off: 17, Len: 3}, {Off: 37, Len: 2 * diffWindow}}, 1)
	want := []rbdio.Extent{{Off: 0, Len: 20}, {Off: 37, Len: diffWindow}, {Off: 37 + diffWindow, Len: diffWindow}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
}

// readStream reads a stream in pieces, in any order.
func (r rig) readStream(snap, older uint64) []byte {
	r.t.Helper()
	s, err := r.tree.OpenStream(r.id, snap, older)
	must(r.t, err)
	defer r.tree.ReleaseStream(s)
	size, err := r.tree.StreamSize(r.id, snap, older)
	must(r.t, err)
	if size != s.Size() {
		r.t.Errorf("the size is %d and %d", size, s.Size())
	}
	all := make([]byte, size)
	var wg sync.WaitGroup
	for _, i := range rand.Perm(int(size+999) / 1000) {
		wg.Go(func() {
			part := all[i*1000 : min((i+1)*1000, int(size))]
			if n, err := s.ReadAt(part, uint64(i)*1000); n != len(part) || err != nil {
				r.t.Errorf("read %d bytes of %d: %v", n, len(part), err)
			}
		})
	}
	wg.Wait()
	if n, err := s.ReadAt(make([]byte, 10), size); n != 0 || err != nil {
		r.t.Errorf("at the end: %d, %v", n, err)
	}
	return all
}

func TestStreamOfSnapshots(t *testing.T) {
	inBubble(t, func(r rig) {
		a := r.snap("a")
		must(t, r.pool.Foreign().Write(r.id, []byte("more"), 4096))
		must(t, r.pool.Foreign().Resize(r.id, 40_000))
		must(t, r.pool.Foreign().Resize(r.id, 60_000))
		b := r.snap("b")
		page := append([]byte("more"), make([]byte, 4092)...)
		image := func(rbdio.Extent) []byte { return page }
		data := rbdio.DiffExtent{Extent: rbdio.Extent{Off: 4096, Len: 4096}}
		zeros := rbdio.DiffExtent{Extent: rbdio.Extent{Off: 49152, Len: 4096}, Zero: true}
		want := append(streamHeader("a", "b", 60_000), plain([]rbdio.DiffExtent{data, zeros}, image)...)
		if got := r.readStream(b.ID, a.ID); !bytes.Equal(got, want) {
			t.Errorf("from a to b: %q", got)
		}
		want = append(streamHeader("", "b", 60_000), plain([]rbdio.DiffExtent{data}, image)...)
		if got := r.readStream(b.ID, 0); !bytes.Equal(got, want) {
			t.Errorf("all of b: %q", got)
		}
		must(t, r.tree.Rename(r.id, "a", "monday"))
		if got := r.readStream(b.ID, a.ID); !bytes.HasPrefix(got, streamHeader("monday", "b", 60_000)) {
			t.Errorf("from monday to b: %q", got[:50])
		}
		if n := r.pool.Calls("Changed"); n != 2 {
			t.Errorf("compared %d times", n)
		}
		for _, older := range []uint64{b.ID, b.ID + 1} {
			_, err := r.tree.OpenStream(r.id, a.ID, older)
			wantErrno(t, err, syscall.ENOENT)
		}
	})
}

// Many who ask at once share one comparison; an error is not kept.
func TestStreamIsComparedOnce(t *testing.T) {
	inBubble(t, func(r rig) {
		a := r.snap("a")
		release := r.pool.Block("Changed")
		r.pool.Fail("Changed", 1, syscall.EIO)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := r.tree.StreamSize(r.id, a.ID, 0)
				wantErrno(t, err, syscall.EIO)
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		r.readStream(a.ID, 0)
		if n := r.pool.Calls("Changed"); n != 2 {
			t.Errorf("compared %d times", n)
		}
	})
}

func TestStreamOfARemovedSnapshot(t *testing.T) {
	inBubble(t, func(r rig) {
		a := r.snap("a")
		must(t, r.pool.Foreign().Write(r.id, []byte("more"), 4096))
		b := r.snap("b")
		s, err := r.tree.OpenStream(r.id, b.ID, a.ID)
		must(t, err)
		// It has begun, and what it has to say stays true.
		must(t, r.tree.Remove(r.id, "a"))
		if _, err := s.ReadAt(make([]byte, 100), 60); err != nil {
			t.Error(err)
		}
		must(t, r.tree.Remove(r.id, "b"))
		_, err = s.ReadAt(make([]byte, 100), 60)
		wantErrno(t, err, syscall.ESTALE)
		r.tree.ReleaseStream(s)
		_, err = r.tree.OpenStream(r.id, b.ID, a.ID)
		wantErrno(t, err, syscall.ENOENT)
	})
}

// Indexes are dropped when there are too many extents in all, the oldest first,
// but not those in use.
func TestIndexesAreBounded(t *testing.T) {
	s := newStreams()
	add := func(older uint64) *streamEntry {
		e, first := s.use(streamKey{older: older})
		if first {
			s.finish(e, &streamIndex{extents: make([]indexed, keptExtents/2-entryExtents)}, nil)
		}
		return e
	}
	held := add(1)
	for older := uint64(2); older < 6; older++ {
		s.release(add(older))
	}
	for older, kept := range map[uint64]bool{1: true, 2: false, 3: false, 4: false, 5: true} {
		if _, ok := s.size(streamKey{older: older}); ok != kept {
			t.Errorf("%d is there: %v", older, ok)
		}
	}
	s.release(held)
}

// So are indexes of what did not change, which have no extents.
func TestEmptyIndexesAreBounded(t *testing.T) {
	s := newStreams()
	for older := range uint64(keptExtents/entryExtents + 1000) {
		e, _ := s.use(streamKey{older: older})
		s.finish(e, &streamIndex{}, nil)
		s.release(e)
	}
	if n := len(s.entries); n > keptExtents/entryExtents {
		t.Errorf("%d indexes are kept", n)
	}
}
