package fs

import (
	"context"
	"strconv"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// snapImageDir is .snap/IMAGE: a directory for each of the image's snapshots.
// Making, removing and renaming one makes, removes and renames a snapshot.
//
// Not there: files of its own, symlinks and the like (EPERM).
type snapImageDir struct {
	snapNode
	id  string // the image's
	ino uint64
}

var (
	_ fusefs.NodeGetattrer = (*snapImageDir)(nil)
	_ fusefs.NodeLookuper  = (*snapImageDir)(nil)
	_ fusefs.NodeReaddirer = (*snapImageDir)(nil)
	_ fusefs.NodeMkdirer   = (*snapImageDir)(nil)
	_ fusefs.NodeRmdirer   = (*snapImageDir)(nil)
	_ fusefs.NodeRenamer   = (*snapImageDir)(nil)
)

// Getattr answers stat(2); ESTALE when the image is gone.
func (n *snapImageDir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.attr(ctx, &out.Attr)
}

// attr fills out: the time is that of the newest snapshot, and without one that at
// which the image was made.
func (n *snapImageDir) attr(ctx context.Context, out *fuse.Attr) syscall.Errno {
	snaps, _, errno := n.list(ctx)
	if errno != 0 {
		return errno
	}
	var changed time.Time
	for _, s := range snaps {
		if s.Time.After(changed) {
			changed = s.Time
		}
	}
	if changed.IsZero() {
		info, errno := callFor(ctx, n.mount, n.ids.name(n.id), func() (rbdio.Info, error) { return n.stat(n.id) })
		if errno != 0 {
			return errno
		}
		changed = info.Created
	}
	n.dirAttr(n.ino, changed, out)
	return 0
}

// list returns the image's snapshots.
func (n *snapImageDir) list(ctx context.Context) (snaps []rbdio.Snapshot, at time.Time, errno syscall.Errno) {
	type answer struct {
		snaps []rbdio.Snapshot
		at    time.Time
	}
	got := make(chan answer, 1) // a request that is given up leaves it
	errno = n.call(ctx, n.ids.name(n.id), func() error {
		snaps, at, err := n.snaps.List(n.id)
		got <- answer{snaps, at}
		return n.gone(err)
	})
	if errno != 0 {
		return nil, time.Time{}, errno
	}
	a := <-got
	return a.snaps, a.at, 0
}

// Lookup answers path resolution of a snapshot's name; ENOENT.
func (n *snapImageDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	snapName, errno := imageName(name)
	if errno != 0 {
		return nil, errno
	}
	snaps, at, errno := n.list(ctx)
	if errno != 0 {
		return nil, errno
	}
	for _, s := range snaps {
		if s.Name == snapName {
			return n.child(ctx, s, at, out)
		}
	}
	return nil, syscall.ENOENT
}

// child returns the node of a snapshot.
func (n *snapImageDir) child(ctx context.Context, s rbdio.Snapshot, at time.Time, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	ino, err := n.snapInode(n.id, s.ID, "/")
	if err != nil {
		return nil, n.errno(err, s.Name)
	}
	n.snapDirAttr(ino, s.Time, &out.Attr)
	believe(at, out)
	node := &snapDir{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, id: n.id, snap: s.ID, ino: ino}
	if image, _ := n.Parent(); image != "" {
		node.given.add(image)
	}
	return n.newSnapNode(ctx, n.EmbeddedInode(), node, syscall.S_IFDIR, n.id, s.ID, "/")
}

// snapInode returns the inode number of a snapshot's file, or with a suffix that
// of its directory.
func (m *mount) snapInode(imageID string, snapID uint64, suffix string) (uint64, error) {
	return m.ids.inode(imageID, strconv.FormatUint(snapID, 10)+suffix)
}

// newSnapNode is newNode with the number that snapInode returns.
func (m *mount) newSnapNode(ctx context.Context, dir *fusefs.Inode, node fusefs.InodeEmbedder, mode uint32, imageID string, snapID uint64, suffix string) (*fusefs.Inode, syscall.Errno) {
	return m.newNode(ctx, dir, node, mode, imageID, strconv.FormatUint(snapID, 10)+suffix)
}

// Readdir answers getdents(2): the image's snapshots, the oldest first.
func (n *snapImageDir) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	snaps, _, errno := n.list(ctx)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(snaps))
	for _, s := range snaps {
		name, ok := fileName(s.Name)
		ino, err := n.snapInode(n.id, s.ID, "/")
		if !ok || err != nil {
			n.log.Debug("a snapshot is left out", "image", n.ids.name(n.id), "snapshot", s.Name, "error", err)
			continue
		}
		list = append(list, fuse.DirEntry{Name: name, Ino: ino, Mode: syscall.S_IFDIR})
	}
	return fusefs.NewListDirStream(list), 0
}

// Mkdir answers mkdir(2): a snapshot of all that was written before. EEXIST;
// EINVAL for a name that the rbd command could not address; EDQUOT past the
// image's limit of snapshots.
func (n *snapImageDir) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	snap, errno := newImageName(name)
	if errno != 0 {
		return nil, errno
	}
	errno = n.call(ctx, n.ids.name(n.id), func() error { return n.gone(n.snaps.Create(n.id, snap)) })
	if errno != 0 {
		return nil, errno
	}
	return n.Lookup(ctx, name, out)
}

// Rmdir answers rmdir(2): it removes the snapshot, although its directory is not
// empty. EBUSY when it has clones, which the log names.
func (n *snapImageDir) Rmdir(ctx context.Context, name string) syscall.Errno {
	snap, errno := imageName(name)
	if errno != 0 {
		return errno
	}
	return n.call(ctx, n.ids.name(n.id), func() error { return n.snaps.Remove(n.id, snap) })
}

// Rename answers rename(2) inside the directory: it renames the snapshot. EEXIST
// over another one, and what renaming answers.
func (n *snapImageDir) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	snap, newSnap, errno := n.renaming(name, newParent, newName, flags)
	if errno != 0 || snap == newSnap {
		return errno
	}
	return n.call(ctx, n.ids.name(n.id), func() error { return n.snaps.Rename(n.id, snap, newSnap) })
}
