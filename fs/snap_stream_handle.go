package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/snapshots"
)

// streamHandle is one open(2) of a stream.
//
// Not there: Write, Allocate (the kernel answers EBADF, as it is open for
// reading), Flush, Fsync (there is nothing to flush), Lseek (the kernel finds no
// holes).
type streamHandle struct {
	*mount
	stream *snapshots.Stream
}

var (
	_ fusefs.FileReader   = (*streamHandle)(nil)
	_ fusefs.FileLseeker  = (*streamHandle)(nil)
	_ fusefs.FileFlusher  = (*streamHandle)(nil)
	_ fusefs.FileFsyncer  = (*streamHandle)(nil)
	_ fusefs.FileReleaser = (*streamHandle)(nil)
)

// Read answers read(2): all bytes up to the stream's end, EIO, or ESTALE when the
// snapshot was removed.
func (h *streamHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return h.read(ctx, h.ids.name(h.stream.ImageID()), h.stream, len(dest), off)
}

// Lseek answers lseek(2) with SEEK_DATA and SEEK_HOLE: it is all data. ENXIO past
// the end.
func (h *streamHandle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	return seekAllData(h.stream.Size(), off, whence)
}

// Flush answers close(2).
func (h *streamHandle) Flush(context.Context) syscall.Errno { return 0 }

// Fsync answers fsync(2).
func (h *streamHandle) Fsync(context.Context, uint32) syscall.Errno { return 0 }

// Release ends the handle after the last close(2).
func (h *streamHandle) Release(context.Context) syscall.Errno {
	h.snaps.ReleaseStream(h.stream)
	return 0
}
