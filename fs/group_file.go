package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
	"rbdfs/snapshots"
)

// groupFile is .group/GROUP/SNAP/IMAGE: the image as it was. What was opened is a
// snapHandle.
//
// Not there: all that would change it (EROFS), cloning it (EOPNOTSUPP), locks (the
// kernel's), Ioctl.
type groupFile struct {
	snapNode
	member rbdio.Member
	ino    uint64
}

var (
	_ fusefs.NodeGetattrer = (*groupFile)(nil)
	_ fusefs.NodeOpener    = (*groupFile)(nil)
)

// Getattr answers stat(2) and fstat(2); ESTALE when the snapshot is gone, EACCES
// where cephx lets us not read it any more.
func (n *groupFile) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	info, errno := n.stat(ctx)
	if errno == 0 {
		n.snapFileAttr(n.ino, info, &out.Attr)
		out.SetTimeout(immutable)
	}
	return errno
}

// stat returns what the snapshot's header says; ESTALE, EACCES.
func (n *groupFile) stat(ctx context.Context) (rbdio.Info, syscall.Errno) {
	return callFor(ctx, n.mount, n.name(), func() (rbdio.Info, error) { return n.snaps.StatMember(n.member) })
}

// name is what the log calls the image.
func (n *groupFile) name() string { return n.ids.name(n.member.ImageKey()) }

// Open answers open(2); EROFS for writing, ESTALE when the snapshot is gone, EACCES.
func (n *groupFile) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return n.openSnap(ctx, n.name(), flags, func() (*snapshots.File, error) { return n.snaps.OpenMember(n.member) })
}
