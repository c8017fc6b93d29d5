package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
	"rbdfs/snapshots"
)

// snapStream is .snap/IMAGE/SNAP/.diff/OLDER or .full: what changed, as rbd
// export-diff writes it. The names of the two snapshots are in it, so its size
// may change when one of them is renamed; a new open then has new data.
//
// Not there: all that would change it (EROFS), locks (the kernel's), Ioctl.
type snapStream struct {
	snapNode
	id    string // the image's
	snap  uint64
	older uint64 // 0 for .full
	ino   uint64
}

var (
	_ fusefs.NodeGetattrer = (*snapStream)(nil)
	_ fusefs.NodeOpener    = (*snapStream)(nil)
)

// Getattr answers stat(2) and fstat(2); ESTALE when one of the snapshots is gone.
func (n *snapStream) Getattr(ctx context.Context, fh fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	errno := n.attr(ctx, &out.Attr)
	if h, ok := fh.(*streamHandle); ok && errno == 0 {
		sizeStream(&out.Attr, h.stream.Size())
	}
	return errno
}

// attr fills out: mode, owner and times are those of the newer snapshot's file.
func (n *snapStream) attr(ctx context.Context, out *fuse.Attr) syscall.Errno {
	type answer struct {
		info rbdio.Info
		size uint64
	}
	got := make(chan answer, 1) // a request that is given up leaves it
	errno := n.call(ctx, n.ids.name(n.id), func() error {
		info, err := n.snaps.Stat(n.id, n.snap)
		if err != nil {
			return n.gone(err)
		}
		size, err := n.snaps.StreamSize(n.id, n.snap, n.older)
		got <- answer{info, size}
		return n.gone(err)
	})
	if errno != 0 {
		return errno
	}
	a := <-got
	n.snapFileAttr(n.ino, a.info, out)
	sizeStream(out, a.size)
	return 0
}

// sizeStream sets the size of a stream, which has no holes.
func sizeStream(out *fuse.Attr, size uint64) {
	out.Size = size
	out.Blocks = (size + 511) / 512
}

// Open answers open(2); EROFS for writing, ESTALE when one of the snapshots is
// gone. What the kernel has cached is dropped: after a new name of a snapshot it
// would be another stream's.
func (n *snapStream) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if errno := readOnly(flags); errno != 0 {
		return nil, 0, errno
	}
	open := func() (*snapshots.Stream, error) { return n.snaps.OpenStream(n.id, n.snap, n.older) }
	s, errno := openShared(ctx, n.mount, n.ids.name(n.id), open, n.snaps.ReleaseStream)
	if errno != 0 {
		return nil, 0, errno
	}
	return &streamHandle{mount: n.mount, stream: s}, openFlags(flags, false), 0
}
