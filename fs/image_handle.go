package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// imageHandle is one open(2) of an image's file.
//
// Not there: Getattr, Setattr (the node answers them), Ioctl.
type imageHandle struct {
	*mount
	file   *rbdio.Handle
	write  bool
	opener *opener // of one that is open for writing
}

var (
	_ fusefs.FileReader    = (*imageHandle)(nil)
	_ fusefs.FileWriter    = (*imageHandle)(nil)
	_ fusefs.FileFlusher   = (*imageHandle)(nil)
	_ fusefs.FileFsyncer   = (*imageHandle)(nil)
	_ fusefs.FileReleaser  = (*imageHandle)(nil)
	_ fusefs.FileLseeker   = (*imageHandle)(nil)
	_ fusefs.FileAllocater = (*imageHandle)(nil)
)

func (h *imageHandle) name() string { return h.ids.name(h.file.ID()) }

// Read answers read(2): all bytes up to the file's end, or EIO.
func (h *imageHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return h.read(ctx, h.name(), h.file, len(dest), off)
}

// Write answers write(2): all bytes, or an error. EFBIG past RBD's limit,
// ENOSPC, EDQUOT on a pool quota, EIO.
func (h *imageHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	return h.mount.write(ctx, h.name(), h.file, data, off)
}

// Flush answers close(2): what was written is on the OSDs, and errors show. Where the
// opener's close is still to come, that of another process shows the errors that are
// known, and does not wait for the cluster. EIO.
func (h *imageHandle) Flush(ctx context.Context) syscall.Errno {
	if !h.write {
		return 0
	}
	if !h.opener.closes(ctx) {
		return h.errno(h.file.Lost(), h.name())
	}
	return h.call(ctx, h.name(), h.file.Flush)
}

// Fsync answers fsync(2), fdatasync(2) and the write(2) of an O_SYNC or O_DSYNC
// file: what was written is on the OSDs. EIO.
func (h *imageHandle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	return h.call(ctx, h.name(), h.file.Fsync)
}

// Release ends the handle after the last close(2); nobody sees its error.
func (h *imageHandle) Release(ctx context.Context) syscall.Errno {
	if h.write {
		h.opener.close()
	}
	return h.errno(h.file.Release(), h.name())
}
