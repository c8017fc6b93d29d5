package main

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// Object sizes that RBD takes (librbd: orders 12 to 25), in bytes.
const (
	minObjectSize = 4 << 10
	maxObjectSize = 32 << 20
)

// sizePattern is a number with a unit as the rbd command takes it: powers of
// 1024, "4M", "4Mi" and "4MiB" alike.
var sizePattern = regexp.MustCompile(`^([0-9]{1,15})(?:(B)|([KMG])(?:i|iB)?)?$`)

// parseSize returns bytes.
func parseSize(s string) (uint64, error) {
	m := sizePattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("%q is not a size such as 4096, 64K or 4M", s)
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: %w", s, err)
	}
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}[m[3]]
	if bits.Len64(n)+shift > 63 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n << shift, nil
}

// objectSize is the size of a new image's objects in bytes, 0 for Ceph's
// default.
type objectSize uint64

// UnmarshalText parses a power of two from 4K to 32M.
func (o *objectSize) UnmarshalText(text []byte) error {
	n, err := parseSize(string(text))
	if err != nil {
		return err
	}
	if n < minObjectSize || n > maxObjectSize || bits.OnesCount64(n) != 1 {
		return fmt.Errorf("%q is not a power of two from 4K to 32M", text)
	}
	*o = objectSize(n)
	return nil
}
