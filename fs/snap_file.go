package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
	"rbdfs/snapshots"
)

// snapFile is .snap/IMAGE/SNAP/IMAGE: the image as it was. The kernel may keep
// its data and its attributes for long.
//
// Not there: all that would change it (EROFS), locks (the kernel's), Ioctl.
type snapFile struct {
	snapNode
	id   string // the image's
	snap uint64
	ino  uint64
}

var (
	_ fusefs.NodeGetattrer = (*snapFile)(nil)
	_ fusefs.NodeOpener    = (*snapFile)(nil)
)

// Getattr answers stat(2) and fstat(2); ESTALE when the snapshot is gone.
func (n *snapFile) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	info, errno := n.stat(ctx)
	if errno == 0 {
		n.snapFileAttr(n.ino, info, &out.Attr)
		out.SetTimeout(immutable)
	}
	return errno
}

// stat returns what the snapshot's header says; ESTALE.
func (n *snapFile) stat(ctx context.Context) (rbdio.Info, syscall.Errno) {
	return callFor(ctx, n.mount, n.ids.name(n.id), func() (rbdio.Info, error) { return n.snaps.Stat(n.id, n.snap) })
}

// Open answers open(2); EROFS for writing, ESTALE when the snapshot is gone.
func (n *snapFile) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return n.openSnap(ctx, n.ids.name(n.id), flags, func() (*snapshots.File, error) { return n.snaps.Open(n.id, n.snap) })
}

// openSnap is Open of a snapshot's file, which open opens.
func (n *snapNode) openSnap(ctx context.Context, name string, flags uint32, open func() (*snapshots.File, error)) (fusefs.FileHandle, uint32, syscall.Errno) {
	if errno := readOnly(flags); errno != 0 {
		return nil, 0, errno
	}
	f, errno := openShared(ctx, n.mount, name, open, n.snaps.Release)
	if errno != 0 {
		return nil, 0, errno
	}
	return &snapHandle{mount: n.mount, file: f}, openFlags(flags, false) | fuse.FOPEN_KEEP_CACHE, 0
}
