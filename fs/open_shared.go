package fs

import (
	"context"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// readOnly refuses an open(2) of a snapshot's file or stream for anything but
// reading; EROFS.
func readOnly(flags uint32) syscall.Errno {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0 {
		return syscall.EROFS
	}
	return 0
}

// openShared opens something of an image's snapshots that must be released; what
// a request that was given up opens is released at once. ESTALE when it is gone.
func openShared[T any](ctx context.Context, m *mount, name string, open func() (T, error), release func(T)) (T, syscall.Errno) {
	opened := make(chan T, 1)
	var met atomic.Bool // whoever comes last releases what nobody waits for
	errno := m.call(ctx, name, func() error {
		f, err := open()
		if err != nil {
			return m.gone(err)
		}
		opened <- f
		if met.Swap(true) {
			release(f)
		}
		return nil
	})
	if errno == syscall.EINTR && met.Swap(true) {
		go release(<-opened)
	}
	if errno != 0 {
		var none T
		return none, errno
	}
	return <-opened, 0
}

// seekAllData answers lseek(2) with SEEK_DATA and SEEK_HOLE on a file of size bytes
// without holes; ENXIO past the end.
func seekAllData(size, off uint64, whence uint32) (uint64, syscall.Errno) {
	switch {
	case whence != unix.SEEK_DATA && whence != unix.SEEK_HOLE:
		return 0, syscall.EINVAL
	case off >= size:
		return 0, syscall.ENXIO
	case whence == unix.SEEK_HOLE:
		return size, 0
	}
	return off, 0
}
