package librbd

import (
	"encoding/binary"
	"errors"
	"sort"
	"time"
)

// errShort is the answer to an encoding that ends too early, or whose version
// is newer than what this program can read.
var errShort = errors.New("encoding is too short or too new")

// decoder reads Ceph's encodings (ceph: src/include/encoding.h): little-endian
// numbers, and strings with a 32-bit length before them. After a first error
// every further call answers zero; err tells in the end.
type decoder struct {
	b   []byte
	err error
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.b)) {
		d.err = errShort
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// bytes reads a string or a bufferlist.
func (d *decoder) bytes() []byte { return d.take(uint64(d.u32())) }

func (d *decoder) str() string { return string(d.bytes()) }

// utime reads a utime_t: seconds and nanoseconds. The zero time of Go stands
// for a time that is not set.
func (d *decoder) utime() time.Time {
	sec, nsec := d.u32(), d.u32()
	if sec == 0 && nsec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), int64(nsec))
}

// strings reads a map<string, string>, or a map<string, bufferlist>, whose
// encoding is the same.
func (d *decoder) strings() map[string]string {
	n := d.u32()
	m := make(map[string]string)
	for ; n > 0 && d.err == nil; n-- {
		key := d.str()
		if value := d.str(); d.err == nil {
			m[key] = value
		}
	}
	return m
}

// frame opens a versioned structure (ENCODE_START): it returns a decoder for
// the structure's content alone, and refuses one that demands a newer reader
// than compat.
func (d *decoder) frame(compat uint8) *decoder {
	d.u8() // the writer's version
	needs := d.u8()
	content := d.bytes()
	if needs > compat {
		d.err = errShort
	}
	return &decoder{b: content, err: d.err}
}

// encoder writes Ceph's encodings, the counterpart of decoder.
type encoder struct{ b []byte }

func (e *encoder) u64(v uint64) *encoder {
	e.b = binary.LittleEndian.AppendUint64(e.b, v)
	return e
}

func (e *encoder) u32(v uint32) *encoder {
	e.b = binary.LittleEndian.AppendUint32(e.b, v)
	return e
}

func (e *encoder) str(s string) *encoder {
	e.u32(uint32(len(s)))
	e.b = append(e.b, s...)
	return e
}

// frame writes a versioned structure, of version 1, with a content.
func (e *encoder) frame(content *encoder) *encoder {
	e.b = append(e.b, 1, 1)
	return e.str(string(content.b))
}

// utime writes a utime_t. Times that it cannot hold, before 1970 and after
// 2106, become the nearest that it can.
func (e *encoder) utime(t time.Time) *encoder {
	sec := min(max(t.Unix(), 0), 1<<32-1)
	return e.u32(uint32(sec)).u32(uint32(t.Nanosecond()))
}

// strings writes a map<string, bufferlist>, its keys in order.
func (e *encoder) strings(m map[string]string) *encoder {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	e.u32(uint32(len(m)))
	for _, key := range keys {
		e.str(key).str(m[key])
	}
	return e
}
