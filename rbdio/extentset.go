package rbdio

import (
	"cmp"
	"math"
	"slices"
)

// ExtentSet is a set of bytes, kept as the fewest extents that hold them:
// sorted, disjoint, not touching and not empty. The zero value is empty. Adding
// behind the last extent, as a sequential writer does, takes amortised constant
// time; all else takes a binary search, and a copy of the extents behind a
// change in their number.
//
// A range that would end behind the last offset, math.MaxUint64, ends there;
// the byte at that offset is in no set. Calls must not overlap, unless all of
// them only read.
type ExtentSet struct {
	extents []Extent
}

// rangeEnd returns the end of [off, off+length), at most math.MaxUint64.
func rangeEnd(off, length uint64) uint64 {
	if length > math.MaxUint64-off {
		return math.MaxUint64
	}
	return off + length
}

// search returns the index of the first extent that ends behind off: the one
// that holds off, or else the next one.
func (s *ExtentSet) search(off uint64) int {
	if n := len(s.extents); n == 0 || s.extents[n-1].End() <= off {
		return n // as for a sequential writer
	}
	i, _ := slices.BinarySearchFunc(s.extents, off, func(e Extent, off uint64) int {
		if e.End() <= off {
			return -1
		}
		return 1
	})
	return i
}

// searchStart returns the index of the first extent that starts at off or
// behind it.
func (s *ExtentSet) searchStart(off uint64) int {
	i, _ := slices.BinarySearchFunc(s.extents, off, func(e Extent, off uint64) int {
		return cmp.Compare(e.Off, off)
	})
	return i
}

// Add puts [off, off+length) into the set.
func (s *ExtentSet) Add(off, length uint64) {
	end := rangeEnd(off, length)
	if off == end {
		return
	}
	// [i, j) are the extents that overlap the range or touch it; one extent takes
	// their place.
	i := s.search(off)
	if i > 0 && s.extents[i-1].End() == off {
		i--
	}
	j := i
	if i < len(s.extents) {
		j = s.searchStart(end)
		if j < len(s.extents) && s.extents[j].Off == end {
			j++
		}
	}
	if i < j {
		off = min(off, s.extents[i].Off)
		end = max(end, s.extents[j-1].End())
	}
	s.extents = slices.Replace(s.extents, i, j, Extent{Off: off, Len: end - off})
}

// Remove takes [off, off+length) out of the set.
func (s *ExtentSet) Remove(off, length uint64) {
	end := rangeEnd(off, length)
	i, j := s.search(off), s.searchStart(end)
	if off == end || i >= j {
		return
	}
	var rest [2]Extent // what stays of the first and of the last extent
	n := 0
	if first := s.extents[i]; first.Off < off {
		rest[n] = Extent{Off: first.Off, Len: off - first.Off}
		n++
	}
	if last := s.extents[j-1]; last.End() > end {
		rest[n] = Extent{Off: end, Len: last.End() - end}
		n++
	}
	s.extents = slices.Replace(s.extents, i, j, rest[:n]...)
}

// Covers tells whether all of [off, off+length) is in the set; an empty range
// always is.
func (s *ExtentSet) Covers(off, length uint64) bool {
	if length == 0 {
		return true
	}
	if length > math.MaxUint64-off {
		return false // the byte at math.MaxUint64 is in no set
	}
	i := s.search(off)
	return i < len(s.extents) && s.extents[i].Off <= off && s.extents[i].End() >= off+length
}

// NextData returns the first byte of the set in [off, limit), and false when
// there is none.
func (s *ExtentSet) NextData(off, limit uint64) (uint64, bool) {
	if i := s.search(off); i < len(s.extents) {
		off = max(off, s.extents[i].Off)
		return off, off < limit
	}
	return 0, false
}

// NextHole returns the first byte in [off, limit) that is not in the set, and
// limit when there is none.
func (s *ExtentSet) NextHole(off, limit uint64) uint64 {
	if i := s.search(off); i < len(s.extents) && s.extents[i].Off <= off {
		off = s.extents[i].End()
	}
	return min(off, limit)
}

// Total returns the number of bytes in the set.
func (s *ExtentSet) Total() uint64 {
	var total uint64
	for _, e := range s.extents {
		total += e.Len
	}
	return total
}

// Clip returns what of the set lies in [off, off+length), as a slice that the
// caller may keep. It leaves the set as it is.
func (s *ExtentSet) Clip(off, length uint64) []Extent {
	end := rangeEnd(off, length)
	i, j := s.search(off), s.searchStart(end)
	if off == end || i >= j {
		return nil
	}
	part := slices.Clone(s.extents[i:j])
	if first := &part[0]; first.Off < off {
		*first = Extent{Off: off, Len: first.End() - off}
	}
	if last := &part[len(part)-1]; last.End() > end {
		last.Len = end - last.Off
	}
	return part
}

// Extents returns all of the set, as a slice that the caller may keep.
func (s *ExtentSet) Extents() []Extent { return slices.Clone(s.extents) }
