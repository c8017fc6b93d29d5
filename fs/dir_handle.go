package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirHandle is one opendir(3). It gives the kernel names alone, also where that
// asks for attributes with them (READDIRPLUS), which it does at the beginning of each
// directory: go-fuse would look up one entry after the other for it. The kernel asks
// by itself for what it needs then.
type dirHandle struct {
	read func(context.Context) ([]fuse.DirEntry, syscall.Errno)
	list []fuse.DirEntry // nil before the first read
	pos  int
}

var (
	_ fusefs.FileReaddirenter = (*dirHandle)(nil)
	_ fusefs.FileSeekdirer    = (*dirHandle)(nil)
	_ fusefs.FileLookuper     = (*dirHandle)(nil)
)

// Readdirent answers getdents(2), one entry after the other. The kernel's offset of
// an entry is the index of the next.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if errno := h.fill(ctx); errno != 0 {
		return nil, errno
	}
	if h.pos >= len(h.list) {
		return nil, 0
	}
	entry := h.list[h.pos]
	h.pos++
	entry.Off = uint64(h.pos)
	return &entry, 0
}

// fill reads the directory, if that was not done.
func (h *dirHandle) fill(ctx context.Context) (errno syscall.Errno) {
	if h.list == nil {
		h.list, errno = h.read(ctx)
	}
	return errno
}

// Seekdir answers lseek(2); at the beginning the directory is read anew.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.list = nil
	}
	errno := h.fill(ctx)
	h.pos = int(min(off, uint64(len(h.list))))
	return errno
}

// Lookup says that the kernel gets no attributes here.
func (h *dirHandle) Lookup(context.Context, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.ENOENT
}

// OpendirHandle answers opendir(3).
func (n *snapNode) OpendirHandle(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	dir, ok := n.Operations().(fusefs.NodeReaddirer)
	if !ok {
		return nil, 0, syscall.ENOTDIR
	}
	return &dirHandle{read: func(ctx context.Context) ([]fuse.DirEntry, syscall.Errno) {
		stream, errno := dir.Readdir(ctx)
		list := []fuse.DirEntry{}
		for errno == 0 && stream.HasNext() {
			var entry fuse.DirEntry
			entry, errno = stream.Next()
			list = append(list, entry)
		}
		return list, errno
	}}, 0, 0
}
