package librbd

import "rbdfs/rbdio"

// States of an object in an object map (ceph: src/include/rbd/object_map_types.h).
const (
	objectNone  = 0
	objectDirty = 1 // written to since the last snapshot
	objectClean = 3 // as the last snapshot has it; needs fast diff
)

// cut leaves out what the map tells of objects from n on, which are behind the
// image's end.
func (m objectMap) cut(n uint64) objectMap {
	return objectMap{objects: min(m.objects, n), bits: m.bits}
}

// state returns an object's state; objectNone for one that the map does not have.
func (m objectMap) state(object uint64) byte {
	if object >= m.objects {
		return objectNone
	}
	shift := 2 * (objectsPerByte - 1 - object%objectsPerByte)
	return m.bits[object/objectsPerByte] >> shift & 3
}

// objectBits is a set of objects, by number.
type objectBits struct {
	words   []uint64
	objects uint64 // none from here on
}

func (b *objectBits) add(object uint64) { b.words[object/64] |= 1 << (object % 64) }

// compare adds the objects that are not in one snapshot as in the one before it.
func (b *objectBits) compare(before, now objectMap) {
	b.objects = max(b.objects, before.objects, now.objects)
	for uint64(len(b.words))*64 < b.objects {
		b.words = append(b.words, 0)
	}
	whole := min(before.objects, now.objects) / objectsPerByte
	for object := uint64(0); object < b.objects; {
		if at := object / objectsPerByte; at < whole && object%objectsPerByte == 0 && unchanged(before.bits[at], now.bits[at]) {
			object += objectsPerByte // most of an image
			continue
		}
		if changed(before.state(object), now.state(object)) {
			b.add(object)
		}
		object++
	}
}

// unchanged tells of four objects at once that none has changed: each is in the
// same state, none or clean.
func unchanged(before, now byte) bool {
	return before == now && (now^now>>1)&0x55 == 0
}

// changed tells whether an object may have changed. One that was written to before
// the first snapshot and not after it is clean in the next map.
func changed(before, now byte) bool {
	switch now {
	case objectNone:
		return before != objectNone
	case objectClean:
		return before != objectClean && before != objectDirty
	}
	return true
}

// extents returns the ranges of the set's objects, in order.
func (b *objectBits) extents(objectSize uint64) []rbdio.Extent {
	var list []rbdio.Extent
	for object := uint64(0); object < b.objects; object++ {
		word := b.words[object/64]
		if word == 0 {
			object |= 63
			continue
		}
		if word>>(object%64)&1 == 0 {
			continue
		}
		if n := len(list); n > 0 && list[n-1].End() == object*objectSize {
			list[n-1].Len += objectSize
			continue
		}
		list = append(list, rbdio.Extent{Off: object * objectSize, Len: objectSize})
	}
	return list
}
