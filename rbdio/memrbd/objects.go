package memrbd

import (
	"maps"
	"slices"

	"rbdfs/rbdio"
)

// objects is a sparse array of bytes, kept in objects of one size. What no
// object holds is zeros.
type objects struct {
	objectSize uint64
	data       map[uint64][]byte // by number; may be shorter than the object
}

func newObjects(objectSize uint64) objects {
	return objects{objectSize: objectSize, data: map[uint64][]byte{}}
}

// clone returns a copy.
func (o *objects) clone() objects {
	c := newObjects(o.objectSize)
	for no, object := range o.data {
		c.data[no] = slices.Clone(object)
	}
	return c
}

// readAt fills p.
func (o *objects) readAt(p []byte, fileOff uint64) {
	clear(p)
	for len(p) > 0 {
		no, objectOff := fileOff/o.objectSize, fileOff%o.objectSize
		n := min(uint64(len(p)), o.objectSize-objectOff)
		if object := o.data[no]; objectOff < uint64(len(object)) {
			copy(p[:n], object[objectOff:])
		}
		p, fileOff = p[n:], fileOff+n
	}
}

func (o *objects) writeAt(p []byte, fileOff uint64) {
	for len(p) > 0 {
		no, objectOff := fileOff/o.objectSize, fileOff%o.objectSize
		n := min(uint64(len(p)), o.objectSize-objectOff)
		object := o.data[no]
		if more := objectOff + n; more > uint64(len(object)) {
			object = append(object, make([]byte, more-uint64(len(object)))...)
		}
		copy(object[objectOff:], p[:n])
		o.data[no] = object
		p, fileOff = p[n:], fileOff+n
	}
}

// zero makes [fileOff, end) read as zeros, and frees the objects that lie in it
// whole.
func (o *objects) zero(fileOff, end uint64) {
	for no, object := range o.data {
		start := no * o.objectSize
		from, to := max(fileOff, start), min(end, start+o.objectSize)
		switch {
		case from >= to:
		case to-from == o.objectSize:
			delete(o.data, no)
		default:
			have := uint64(len(object))
			clear(object[min(from-start, have):min(to-start, have)])
		}
	}
}

// truncate discards all from size on.
func (o *objects) truncate(size uint64) {
	for no, object := range o.data {
		start := no * o.objectSize
		switch {
		case start >= size:
			delete(o.data, no)
		case size-start < uint64(len(object)):
			o.data[no] = object[:size-start]
		}
	}
}

// extents returns the ranges of the objects that exist.
func (o *objects) extents() *rbdio.ExtentSet {
	var set rbdio.ExtentSet
	for _, no := range slices.Sorted(maps.Keys(o.data)) {
		set.Add(no*o.objectSize, o.objectSize)
	}
	return &set
}

// allocated returns the number of bytes in objects, each of them counted whole.
func (o *objects) allocated() uint64 { return uint64(len(o.data)) * o.objectSize }
