package librbd

// objectMap is the answer of cls_rbd's object_map_load: two bits an object.
// Its encoding is that of ceph::BitVector<2> (ceph: src/common/bit_vector.hpp),
// unchanged from 0.93 to 20: a header with the number of objects, the bits,
// four objects a byte and the first in the highest bits, and a footer of
// checksums, which the OSD has compared already and leaves out.
type objectMap struct {
	objects uint64
	bits    []byte
}

// objectsPerByte is the number of objects that one byte of the map tells of.
const objectsPerByte = 4

// decodeObjectMap takes the map out of its encoding, without a copy.
func decodeObjectMap(b []byte) (objectMap, error) {
	d := &decoder{b: b}
	header := (&decoder{b: d.bytes()}).frame(1)
	objects := header.u64()
	if header.err != nil {
		return objectMap{}, header.err
	}
	size := objects / objectsPerByte
	if objects%objectsPerByte != 0 {
		size++
	}
	m := objectMap{objects: objects, bits: d.take(size)}
	d.bytes() // the footer
	if d.err != nil || len(d.b) != 0 {
		return objectMap{}, errShort
	}
	return m, nil
}

// exists tells whether an object may exist: in any state but OBJECT_NONEXISTENT
// (ceph: src/include/rbd/object_map_types.h).
func (m objectMap) exists(object uint64) bool {
	shift := 2 * (objectsPerByte - 1 - object%objectsPerByte)
	return m.bits[object/objectsPerByte]>>shift&3 != 0
}

// emptyByte tells that none of the objects of a byte of the map exists.
func (m objectMap) emptyByte(i uint64) bool { return i < uint64(len(m.bits)) && m.bits[i] == 0 }

// allocated returns the bytes in the objects that may exist of an image of size
// bytes, at most size, or false when the map does not cover the image. Where the
// image is striped its end lies in several objects, and each counts whole.
func (m objectMap) allocated(size, objectSize uint64, striped bool) (uint64, bool) {
	objects, tail := size/objectSize, size%objectSize
	if tail != 0 {
		objects++
	}
	if m.objects < objects {
		return 0, false
	}
	counted := objects
	if striped {
		counted = m.objects // more, with small ones at the end
	}
	var n uint64
	for i := uint64(0); i < counted; {
		if i%objectsPerByte == 0 && m.bits[i/objectsPerByte] == 0 {
			i += objectsPerByte // most of a sparse image
			continue
		}
		if m.exists(i) {
			n++
		}
		i++
	}
	bytes := n * objectSize
	if tail != 0 && !striped && m.exists(objects-1) {
		bytes -= objectSize - tail
	}
	return min(bytes, size), true
}
