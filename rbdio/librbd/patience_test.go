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
			busy  int           // calls
			as    syscall.Errno // what they answer
			then  syscall.Errno
			want  syscall.Errno
			least time.Duration
		}{
			{0, 0, 0, 0, 0},
			{0, 0, syscall.EROFS, syscall.EROFS, 0},
			{3, syscall.EBUSY, 0, 0, 3 * busyPause},
			{3, syscall.EBUSY, syscall.EIO, syscall.EIO, 3 * busyPause},
			{1 << 30, syscall.EBUSY, 0, syscall.EBUSY, patience},
			{2, syscall.EINVAL, 0, 0, 2 * busyPause},
			{1 << 30, syscall.EINVAL, 0, syscall.EINVAL, unclear * busyPause},
		} {
			begin, calls := time.Now(), 0
			got := patiently(func() syscall.Errno {
				if calls++; calls <= c.busy {
					return c.as
				}
				return c.then
			})
			if took := time.Since(begin); got != c.want || took < c.least || took > c.least+2*busyPause {
				t.Errorf("%+v: %v after %v and %d calls", c, got, took, calls)
			}
		}
	})
}
