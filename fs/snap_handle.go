package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rbdfs/snapshots"
)

// snapHandle is one open(2) of a snapshot's file.
//
// Not there: Write, Allocate (the kernel answers EBADF, as it is open for
// reading), Fsync (the node's).
type snapHandle struct {
	*mount
	file *snapshots.File
}

var (
	_ fusefs.FileReader   = (*snapHandle)(nil)
	_ fusefs.FileLseeker  = (*snapHandle)(nil)
	_ fusefs.FileFlusher  = (*snapHandle)(nil)
	_ fusefs.FileReleaser = (*snapHandle)(nil)
)

func (h *snapHandle) name() string { return h.ids.name(h.file.ImageID()) }

// Read answers read(2): all bytes up to the file's end, EIO, or ESTALE when the
// snapshot was removed.
func (h *snapHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return h.read(ctx, h.name(), h.file, len(dest), off)
}

// Lseek answers lseek(2) with SEEK_DATA and SEEK_HOLE; the kernel answers the
// others. ENXIO behind the last data, or past the end.
func (h *snapHandle) Lseek(ctx context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
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

// Flush answers close(2).
func (h *snapHandle) Flush(context.Context) syscall.Errno { return 0 }

// Release ends the handle after the last close(2).
func (h *snapHandle) Release(context.Context) syscall.Errno {
	h.snaps.Release(h.file)
	return 0
}
