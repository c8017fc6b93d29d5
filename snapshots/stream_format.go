package snapshots

import (
	"encoding/binary"

	"rbdfs/rbdio"
)

// The format "rbd diff v1" (ceph: doc/dev/rbd-diff.rst). All numbers are little
// endian. Records about the whole stream come first, in any order:
//
//	"f" name   the snapshot that the stream starts from; none for a full stream
//	"t" name   the snapshot that it leads to
//	"s" u64    the image's size then
//
// where a name is a u32, its length, and its bytes. Then come ranges:
//
//	"w" u64 u64 data   offset, length, and the bytes there
//	"z" u64 u64        offset, length: zeros
//
// and "e" ends it.
const (
	streamBanner = "rbd diff v1\n"

	tagFrom = 'f'
	tagTo   = 't'
	tagSize = 's'
	tagData = 'w'
	tagZero = 'z'
	tagEnd  = 'e'

	rangeHeader = 1 + 8 + 8 // bytes of a "w" or "z" record before its data
)

// An extent may be longer than one record should be: rbd import-diff holds a
// record's data in memory, and librbd zeroes less than 2^31 bytes at once.
const (
	maxDataRecord = 4 << 20
	maxZeroRecord = 1 << 30
)

// streamHeader returns the bytes before the ranges; from is "" for a full stream.
func streamHeader(from, to string, size uint64) []byte {
	b := []byte(streamBanner)
	if from != "" {
		b = appendName(b, tagFrom, from)
	}
	b = appendName(b, tagTo, to)
	return binary.LittleEndian.AppendUint64(append(b, tagSize), size)
}

func appendName(b []byte, tag byte, name string) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, tag), uint32(len(name)))
	return append(b, name...)
}

// appendRange appends a "w" or "z" record, without data.
func appendRange(b []byte, tag byte, e rbdio.Extent) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, tag), e.Off)
	return binary.LittleEndian.AppendUint64(b, e.Len)
}

// recordsOf returns how long a record of an extent may be, and the bytes that
// each full one takes in the stream.
func recordsOf(e rbdio.DiffExtent) (most, stride uint64) {
	if e.Zero {
		return maxZeroRecord, rangeHeader
	}
	return maxDataRecord, rangeHeader + maxDataRecord
}

// streamLength returns the bytes that an extent takes in the stream.
func streamLength(e rbdio.DiffExtent) uint64 {
	most, _ := recordsOf(e)
	n := (e.Len + most - 1) / most * rangeHeader
	if !e.Zero {
		n += e.Len
	}
	return n
}
