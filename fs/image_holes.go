package fs

import (
	"context"
	"math"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
)

// Lseek answers lseek(2) with SEEK_DATA and SEEK_HOLE; the kernel answers the
// others. ENXIO behind the last data, or past the end.
func (h *imageHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	seek := h.file.SeekData
	switch whence {
	case unix.SEEK_DATA:
	case unix.SEEK_HOLE:
		seek = h.file.SeekHole
	default:
		return 0, syscall.EINVAL
	}
	var pos uint64
	errno := h.call(ctx, h.name(), func() (err error) {
		pos, err = seek(off)
		return err
	})
	if errno != 0 {
		return 0, errno // pos may still be written to
	}
	return pos, 0
}

// Allocate answers fallocate(2). Plain allocation grows the file and reserves
// nothing, since RBD is thin; PUNCH_HOLE and ZERO_RANGE are exact and free whole
// objects. EOPNOTSUPP for collapse, insert and unshare.
func (h *imageHandle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if off > math.MaxInt64 || size > math.MaxInt64-off {
		return syscall.EFBIG
	}
	keep := mode&unix.FALLOC_FL_KEEP_SIZE != 0
	var op func(rbdio.Changes) error
	switch mode &^ unix.FALLOC_FL_KEEP_SIZE {
	case 0:
		op = func(rbdio.Changes) error { return nil }
	case unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE:
		op = func(f rbdio.Changes) error { return f.Zero(off, size) }
	default:
		return syscall.EOPNOTSUPP
	}
	return h.change(ctx, h.name(), func(c *rbdio.Call) error {
		if err := op(h.file.For(c)); err != nil || keep {
			return err
		}
		return h.file.For(c).Extend(off + size) // not Truncate: a write may be growing the file further
	})
}

// copyMax is the most that one CopyFileRange copies, in bytes, so that a signal
// does not wait long; programs go on where it ended.
const copyMax = 256 << 20

// CopyFileRange answers copy_file_range(2) inside the mount: the data does not
// pass through the kernel, and holes stay holes.
func (n *imageNode) CopyFileRange(ctx context.Context, in fusefs.FileHandle, offIn uint64, out *fusefs.Inode, outHandle fusefs.FileHandle, offOut, length, _ uint64) (uint32, syscall.Errno) {
	from, ok1 := in.(*imageHandle)
	to, ok2 := outHandle.(*imageHandle)
	if !ok1 || !ok2 {
		return 0, syscall.EXDEV
	}
	var copied uint64
	errno := n.change(ctx, n.name(), func(c *rbdio.Call) (err error) {
		copied, err = to.file.For(c).CopyFrom(from.file, offIn, offOut, min(length, copyMax))
		if copied > 0 {
			return nil // the error comes again, on the next call
		}
		return err
	})
	if errno != 0 {
		return 0, errno
	}
	return uint32(copied), 0
}
