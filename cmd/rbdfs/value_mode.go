package main

import (
	"fmt"
	"strconv"
	"strings"
)

// maxMode has all permission bits; there is no setuid, setgid or sticky bit on
// a mount that is nosuid.
const maxMode = 0o777

// fileMode is a number of permission bits, written in octal.
type fileMode uint32

// UnmarshalText parses octal digits, with or without a leading 0 or 0o.
func (m *fileMode) UnmarshalText(text []byte) error {
	digits := strings.TrimPrefix(string(text), "0o")
	n, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || n > maxMode {
		return fmt.Errorf("%q is not an octal mode from 0000 to 0777", text)
	}
	*m = fileMode(n)
	return nil
}
