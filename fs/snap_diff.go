package fs

import (
	"context"
	"errors"
	"strconv"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// snapDiffDir is .snap/IMAGE/SNAP/.diff: a stream from each older snapshot, by its
// name, and the full one.
//
// Not there: all that would change it (EROFS).
type snapDiffDir struct {
	snapNode
	id   string // the image's
	snap uint64
	ino  uint64
}

var (
	_ fusefs.NodeGetattrer = (*snapDiffDir)(nil)
	_ fusefs.NodeLookuper  = (*snapDiffDir)(nil)
	_ fusefs.NodeReaddirer = (*snapDiffDir)(nil)
)

// diffDir returns the node of .diff in a snapshot's directory.
func (n *snapDir) diffDir(ctx context.Context, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	ino, err := n.snapInode(n.id, n.snap, "/"+diffDirName)
	if err != nil {
		return nil, n.errno(err, diffDirName)
	}
	node := &snapDiffDir{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, id: n.id, snap: n.snap, ino: ino}
	if errno := n.belowSnapAttr(ctx, n.id, n.snap, ino, &out.Attr); errno != 0 {
		return nil, errno
	}
	return n.newSnapNode(ctx, n.EmbeddedInode(), node, syscall.S_IFDIR, n.id, n.snap, "/"+diffDirName)
}

// Getattr answers stat(2): all times are the snapshot's. ESTALE when it is gone.
func (n *snapDiffDir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.belowSnapAttr(ctx, n.id, n.snap, n.ino, &out.Attr)
}

// older returns the snapshots that there are streams from.
func (n *snapDiffDir) older(ctx context.Context) ([]rbdio.Snapshot, syscall.Errno) {
	got := make(chan []rbdio.Snapshot, 1) // a request that is given up leaves it
	errno := n.call(ctx, n.ids.name(n.id), func() error {
		snaps, err := n.snaps.Older(n.id, n.snap)
		got <- snaps
		return n.gone(err)
	})
	if errno != 0 {
		return nil, errno
	}
	return <-got, 0
}

// Lookup answers path resolution of an older snapshot's name, or of .full;
// ENOENT. It compares the snapshots, as a stream's size is part of the answer.
func (n *snapDiffDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	older, errno := n.find(ctx, name)
	if errno != 0 {
		return nil, errno
	}
	ino, err := n.streamInode(n.id, n.snap, older)
	if err != nil {
		return nil, n.errno(err, name)
	}
	node := &snapStream{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, id: n.id, snap: n.snap, older: older, ino: ino}
	errno = node.attr(ctx, &out.Attr)
	if errno == syscall.ESTALE {
		errno = syscall.ENOENT
	}
	if errno != 0 {
		return nil, errno
	}
	return n.newSnapNode(ctx, n.EmbeddedInode(), node, syscall.S_IFREG, n.id, n.snap, streamSuffix(older))
}

// find returns the id of the snapshot that a stream of that name starts from, 0
// for the full one; ENOENT.
func (n *snapDiffDir) find(ctx context.Context, name string) (uint64, syscall.Errno) {
	if name == fullDiffName {
		return 0, 0
	}
	snapName, errno := imageName(name)
	if errno != 0 {
		return 0, errno
	}
	snaps, errno := n.older(ctx)
	if errno != 0 {
		return 0, errno
	}
	for _, s := range snaps {
		if s.Name == snapName {
			return s.ID, 0
		}
	}
	return 0, syscall.ENOENT
}

// streamInode returns the inode number of a stream.
func (m *mount) streamInode(imageID string, snapID, older uint64) (uint64, error) {
	return m.snapInode(imageID, snapID, streamSuffix(older))
}

// streamSuffix is a stream's, of snapInode.
func streamSuffix(older uint64) string {
	return "/" + diffDirName + "/" + strconv.FormatUint(older, 10)
}

// Readdir answers getdents(2): .full, and the older snapshots.
func (n *snapDiffDir) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	snaps, errno := n.older(ctx)
	if errno != 0 {
		return nil, errno
	}
	ino, err := n.streamInode(n.id, n.snap, 0)
	list := []fuse.DirEntry{{Name: fullDiffName, Ino: ino, Mode: syscall.S_IFREG}}
	for _, s := range snaps {
		name, ok := fileName(s.Name)
		ino, inoErr := n.streamInode(n.id, n.snap, s.ID)
		if err = errors.Join(err, inoErr); !ok {
			continue // as in the image's directory
		}
		list = append(list, fuse.DirEntry{Name: name, Ino: ino, Mode: syscall.S_IFREG})
	}
	if err != nil {
		return nil, n.errno(err, n.ids.name(n.id))
	}
	return fusefs.NewListDirStream(list), 0
}
