package diff

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// decoded is a stream that was applied to the bytes of an image.
type decoded struct {
	from, to string
	image    []byte
	data     int // bytes in "w" records
	records  int
}

// decode applies a stream (ceph: doc/dev/rbd-diff.rst) to a copy of before. It is
// written anew here, so that a mistake in the program is not made twice.
func decode(stream, before []byte) (d decoded, err error) {
	rest, ok := bytes.CutPrefix(stream, []byte("rbd diff v1\n"))
	if !ok {
		return d, fmt.Errorf("no banner")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("record %d, with %d bytes left: %v", d.records, len(rest), r)
		}
	}()
	take := func(n uint64) []byte {
		b := rest[:n]
		rest = rest[n:]
		return b
	}
	u64 := func() uint64 { return binary.LittleEndian.Uint64(take(8)) }
	name := func() string { return string(take(uint64(binary.LittleEndian.Uint32(take(4))))) }
	behind := uint64(0)
	d.image = bytes.Clone(before)
	for {
		d.records++
		switch tag := take(1)[0]; tag {
		case 'f':
			d.from = name()
		case 't':
			d.to = name()
		case 's':
			size := u64()
			d.image = append(d.image, make([]byte, max(size, uint64(len(d.image)))-uint64(len(d.image)))...)[:size]
		case 'w', 'z':
			off, n := u64(), u64()
			if off < behind || n == 0 {
				return d, fmt.Errorf("%c %d~%d begins before %d, or is empty", tag, off, n, behind)
			}
			behind = off + n
			clear(d.image[off:behind])
			if tag == 'w' {
				d.data += copy(d.image[off:behind], take(n))
			}
		case 'e':
			if len(rest) > 0 {
				return d, fmt.Errorf("%d bytes behind the end", len(rest))
			}
			return d, nil
		default:
			return d, fmt.Errorf("tag %q", tag)
		}
	}
}
