package snapshots

import (
	"sort"

	"rbdfs/rbdio"
)

// maxExtents bounds the extents of one index, 32 bytes each. What has more of
// them is told less exactly: small extents are widened until they meet, so that
// the stream repeats some data that did not change.
const maxExtents = 1 << 20

// firstGranule is what extents are widened to first, in bytes.
const firstGranule = 64 << 10

// streamIndex tells where in a stream each range stands. Offsets in it count from
// the end of the stream's header, so that a new name of a snapshot leaves it true.
type streamIndex struct {
	extents []indexed
	size    uint64 // bytes of the stream behind its header
}

// indexed is an extent, in order of both offsets.
type indexed struct {
	rbdio.DiffExtent
	at uint64 // where its first record begins
}

// indexBuilder makes an index of extents that come in order.
type indexBuilder struct {
	imageSize uint64
	most      int // extents
	granule   uint64
	list      []rbdio.DiffExtent
}

// add takes the next extents.
func (b *indexBuilder) add(list []rbdio.DiffExtent) {
	for _, e := range list {
		b.list = appendExtent(b.list, b.widen(e))
		for len(b.list) > b.most {
			b.coarsen()
		}
	}
}

// widen makes an extent begin and end at multiples of the granule. What it gains
// did not change, and so is not known to be zeros.
func (b *indexBuilder) widen(e rbdio.DiffExtent) rbdio.DiffExtent {
	if b.granule == 0 {
		return e
	}
	begin := e.Off - e.Off%b.granule
	end := min((e.End()+b.granule-1)/b.granule*b.granule, b.imageSize)
	if begin != e.Off || end != e.End() {
		e = rbdio.DiffExtent{Extent: rbdio.Extent{Off: begin, Len: end - begin}}
	}
	return e
}

// coarsen widens all extents to the next granule.
func (b *indexBuilder) coarsen() {
	b.granule = max(2*b.granule, firstGranule)
	all := b.list
	b.list = b.list[:0]
	for _, e := range all {
		b.list = appendExtent(b.list, b.widen(e))
	}
}

// appendExtent appends an extent that begins at or behind the last one's begin,
// and merges it with that where they meet.
func appendExtent(list []rbdio.DiffExtent, e rbdio.DiffExtent) []rbdio.DiffExtent {
	if e.Len == 0 {
		return list
	}
	if n := len(list); n > 0 {
		last := &list[n-1]
		if e.Off < last.End() || e.Off == last.End() && e.Zero == last.Zero {
			last.Len = max(last.End(), e.End()) - last.Off
			last.Zero = last.Zero && e.Zero
			return list
		}
	}
	return append(list, e)
}

// index returns what was built.
func (b *indexBuilder) index() *streamIndex {
	x := &streamIndex{extents: make([]indexed, len(b.list))}
	for i, e := range b.list {
		x.extents[i] = indexed{DiffExtent: e, at: x.size}
		x.size += streamLength(e)
	}
	x.size++ // tagEnd
	return x
}

// piece is a part of a stream: bytes that are known, or a range of the image.
type piece struct {
	known []byte
	data  rbdio.Extent // where known is nil
}

// pieces returns what [off, off+length) of the stream behind its header is made
// of; less at its end.
func (x *streamIndex) pieces(off, length uint64) []piece {
	end := off + min(length, x.size-min(off, x.size))
	i := sort.Search(len(x.extents), func(i int) bool { return x.extents[i].at > off }) - 1
	var list []piece
	for off < end {
		if i+1 == len(x.extents) && off == x.size-1 {
			return append(list, piece{known: []byte{tagEnd}})
		}
		if i+1 < len(x.extents) && off == x.extents[i+1].at {
			i++
		}
		p, n := x.extents[i].piece(off, end)
		list = append(list, p)
		off += n
	}
	return list
}

// piece returns the part of an extent's records that begins at off and ends with
// the record's header, its data, or at end, and its length.
func (e indexed) piece(off, end uint64) (piece, uint64) {
	most, stride := recordsOf(e.DiffExtent)
	no, in := (off-e.at)/stride, (off-e.at)%stride
	record := rbdio.Extent{Off: e.Off + no*most}
	record.Len = min(most, e.End()-record.Off)
	if in < rangeHeader {
		tag := byte(tagData)
		if e.Zero {
			tag = tagZero
		}
		header := appendRange(nil, tag, record)[in:]
		header = header[:min(uint64(len(header)), end-off)]
		return piece{known: header}, uint64(len(header))
	}
	in -= rangeHeader
	n := min(record.Len-in, end-off)
	return piece{data: rbdio.Extent{Off: record.Off + in, Len: n}}, n
}
