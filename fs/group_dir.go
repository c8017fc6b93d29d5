package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// groupDir is .group/GROUP: a directory for each of the group's snapshots. Making,
// removing and renaming one makes, removes and renames a group snapshot.
//
// Not there: files of its own, symlinks and the like (EPERM).
type groupDir struct {
	snapNode
	id  string // the group's
	ino uint64
}

var (
	_ fusefs.NodeGetattrer = (*groupDir)(nil)
	_ fusefs.NodeLookuper  = (*groupDir)(nil)
	_ fusefs.NodeReaddirer = (*groupDir)(nil)
	_ fusefs.NodeMkdirer   = (*groupDir)(nil)
	_ fusefs.NodeRmdirer   = (*groupDir)(nil)
	_ fusefs.NodeRenamer   = (*groupDir)(nil)
)

// name is what the log calls the group.
func (n *groupDir) name() string { return n.ids.name(groupKey(n.id)) }

// Getattr answers stat(2); ESTALE when the group is gone.
func (n *groupDir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.attr(ctx, &out.Attr)
}

// attr fills out: the time is that of the newest snapshot, and without one the root's.
func (n *groupDir) attr(ctx context.Context, out *fuse.Attr) syscall.Errno {
	found, errno := n.list(ctx)
	if errno != 0 {
		return errno
	}
	var changed time.Time
	for _, s := range found.snaps {
		if s.Time.After(changed) {
			changed = s.Time
		}
	}
	if changed.IsZero() {
		changed = n.changed(rbdio.ListImages)
	}
	n.dirAttr(n.ino, changed, out)
	return 0
}

// groupSnaps is a group's snapshots at a time.
type groupSnaps struct {
	snaps []rbdio.GroupSnapshot
	at    time.Time
}

// list returns the group's snapshots; ESTALE.
func (n *groupDir) list(ctx context.Context) (groupSnaps, syscall.Errno) {
	return callFor(ctx, n.mount, n.name(), func() (found groupSnaps, err error) {
		found.snaps, found.at, err = n.groups.Snapshots(n.id)
		return found, err
	})
}

// Lookup answers path resolution of a snapshot's name; ENOENT.
func (n *groupDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	snapName, errno := imageName(name)
	if errno != 0 {
		return nil, errno
	}
	found, errno := n.list(ctx)
	if errno != 0 {
		return nil, errno
	}
	for _, s := range found.snaps {
		if s.Name == snapName {
			return n.child(ctx, s, found.at, out)
		}
	}
	return nil, syscall.ENOENT
}

// child returns the node of a snapshot.
func (n *groupDir) child(ctx context.Context, s rbdio.GroupSnapshot, at time.Time, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	ino, err := n.groupInode(n.id, s.ID)
	if err != nil {
		return nil, n.errno(err, s.Name)
	}
	node := &groupSnapDir{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, group: n.id, id: s.ID, ino: ino}
	n.snapDirAttr(ino, groupTime(s), &out.Attr)
	believe(at, out)
	return n.newNode(ctx, n.EmbeddedInode(), node, syscall.S_IFDIR, groupKey(n.id), s.ID+"/")
}

// groupTime is the time of a group snapshot, 1970 where no member tells.
func groupTime(s rbdio.GroupSnapshot) time.Time {
	if s.Time.IsZero() {
		return time.Unix(0, 0)
	}
	return s.Time
}

// Readdir answers getdents(2): the group's snapshots, the oldest first.
func (n *groupDir) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	found, errno := n.list(ctx)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(found.snaps))
	for _, s := range found.snaps {
		ino, err := n.groupInode(n.id, s.ID)
		list = n.appendGroupEntry(list, "a group snapshot", s.Name, groupKey(s.ID), fuse.DirEntry{Ino: ino, Mode: syscall.S_IFDIR}, err)
	}
	return fusefs.NewListDirStream(list), 0
}

// Mkdir answers mkdir(2): a snapshot of all of the group's images at one moment,
// with all that was written before. EEXIST; EINVAL for a name that the rbd command
// could not address; EBUSY when the exclusive lock of an image is kept; EDQUOT past
// an image's limit of snapshots.
func (n *groupDir) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	snap, errno := newImageName(name)
	if errno != 0 {
		return nil, errno
	}
	errno = n.call(ctx, n.name(), func() error { return n.gone(n.groups.Create(n.id, snap)) })
	if errno != 0 {
		return nil, errno
	}
	return n.Lookup(ctx, name, out)
}

// Rmdir answers rmdir(2): it removes the snapshot, although its directory is not
// empty; ENOENT.
func (n *groupDir) Rmdir(ctx context.Context, name string) syscall.Errno {
	snap, errno := imageName(name)
	if errno != 0 {
		return errno
	}
	return n.call(ctx, n.name(), func() error { return n.groups.Remove(n.id, snap) })
}

// Rename answers rename(2) inside the directory: it renames the snapshot. EEXIST
// over another one, and what renaming answers.
func (n *groupDir) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	snap, newSnap, errno := n.renaming(name, newParent, newName, flags)
	if errno != 0 || snap == newSnap {
		return errno
	}
	return n.call(ctx, n.name(), func() error { return n.groups.Rename(n.id, snap, newSnap) })
}
