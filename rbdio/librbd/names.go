package librbd

import (
	"math/bits"
	"strconv"
)

// quote shows a name in an error, bytes that are not printable escaped.
func quote(name string) string { return strconv.Quote(name) }

// log2 is the order of an object size, a power of two.
func log2(size uint64) uint64 { return uint64(bits.TrailingZeros64(size)) }
