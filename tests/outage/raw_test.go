package outage

import (
	"bytes"
	"fmt"
	"syscall"
)

// rawIO reads all of a file and writes it again, by system calls that nobody
// repeats after EINTR: each must answer for all of its bytes.
func rawIO(fd int, want []byte) error {
	for round := range 3 {
		for off := 0; off < len(want); {
			p := make([]byte, min(1<<20, len(want)-off))
			n, err := syscall.Pread(fd, p, int64(off))
			if err != nil || n != len(p) {
				return fmt.Errorf("round %d: read of %d bytes at %d: %d, %w", round, len(p), off, n, err)
			}
			if !bytes.Equal(p, want[off:off+n]) {
				return fmt.Errorf("round %d: other bytes at %d", round, off)
			}
			if n, err := syscall.Pwrite(fd, p, int64(off)); err != nil || n != len(p) {
				return fmt.Errorf("round %d: write of %d bytes at %d: %d, %w", round, len(p), off, n, err)
			}
			off += n
		}
		if err := syscall.Fsync(fd); err != nil {
			return fmt.Errorf("round %d: fsync: %w", round, err)
		}
	}
	return nil
}
