package harness

import "os"

// EnvLong makes the tests run as often as "make check-long" wants it.
const EnvLong = "RBDFS_LONG"

// Long returns how often to run: short, or long with RBDFS_LONG=1.
func Long(short, long int) int {
	if os.Getenv(EnvLong) == "1" {
		return long
	}
	return short
}
