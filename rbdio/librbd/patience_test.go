package librbd

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What is busy is asked again, for a time; any other error is one at once.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			busy  int // calls
			then  syscall.Errno
			want  syscall.Errno
			least time.Duration
		}{
			{0, 0, 0, 0},
			{0, syscall.EROFS, syscall.EROFS, 0},
			{3, 0, 0, 3 * busyPause},
			{3, syscall.EIO, syscall.EIO, 3 * busyPause},
			{1 << 30, 0, syscall.EBUSY, patience},
		} {
			begin, calls := time.Now(), 0
			got := patiently(func() syscall.Errno {
				if calls++; calls <= c.busy {
					return syscall.EBUSY
				}
				return c.then
			})
			if took := time.Since(begin); got != c.want || took < c.least || took > c.least+2*busyPause {
				t.Errorf("%+v: %v after %v and %d calls", c, got, took, calls)
			}
		}
	})
}
