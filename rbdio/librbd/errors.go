package librbd

import (
	"errors"
	"syscall"

	"rbdfs/rbdio"
)

// errnoFrom takes the errno out of an error of go-ceph's; EIO where it has none.
func errnoFrom(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var ours *rbdio.Error
	if errors.As(err, &ours) {
		return ours.Errno
	}
	var coded interface{ ErrorCode() int }
	if errors.As(err, &coded) {
		code := coded.ErrorCode()
		return syscall.Errno(max(code, -code))
	}
	return syscall.EIO
}

// check makes an error of an errno, nil for 0, and notes when it says that the
// cluster has shut this connection out.
func (s *session) check(errno syscall.Errno, format string, args ...any) error {
	if errno == 0 {
		return nil
	}
	err := rbdio.Errorf(errno, format, args...)
	if errno == rbdio.Fenced {
		s.fence(err)
	}
	return err
}

// because is check with a reason in words.
func (s *session) because(errno syscall.Errno, why, format string, args ...any) error {
	err := rbdio.Errorf(errno, format, args...)
	err.Why = why
	return err
}
