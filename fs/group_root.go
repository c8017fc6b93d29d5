package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// groupRootIno is the inode number of .group.
const groupRootIno = 4

// groupRoot is .group: a directory for each consistency group.
//
// Not there: all that would change it (EPERM); the rbd command makes groups.
type groupRoot struct{ snapNode }

var (
	_ fusefs.NodeGetattrer = (*groupRoot)(nil)
	_ fusefs.NodeLookuper  = (*groupRoot)(nil)
	_ fusefs.NodeReaddirer = (*groupRoot)(nil)
)

// groupRoot returns the node of .group.
func (r *rootNode) groupRoot(ctx context.Context, out *fuse.EntryOut) *fusefs.Inode {
	r.snapDirAttr(groupRootIno, r.changed(rbdio.ListImages), &out.Attr)
	believe(time.Now(), out)
	node := &groupRoot{snapNode{mount: r.mount, refusal: syscall.EPERM}}
	return r.NewInode(ctx, node, fusefs.StableAttr{Mode: syscall.S_IFDIR, Ino: groupRootIno})
}

// Getattr answers stat(2).
func (n *groupRoot) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.snapDirAttr(groupRootIno, n.changed(rbdio.ListImages), &out.Attr)
	return 0
}

// groupKey is what a group goes by among inode numbers and names for the log: a
// group may have the id of an image.
func groupKey(groupID string) string { return "group/" + groupID }

// groupInode returns the inode number of a group's directory, or of one of its
// snapshots'.
func (m *mount) groupInode(groupID, snapID string) (uint64, error) {
	return m.ids.inode(groupKey(groupID), snapID+"/")
}

// Lookup answers path resolution of a group's name; ENOENT.
func (n *groupRoot) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	group, errno := imageName(name)
	if errno != 0 {
		return nil, errno
	}
	type found struct {
		id string
		at time.Time
	}
	f, errno := callFor(ctx, n.mount, name, func() (f found, err error) {
		f.id, f.at, err = n.groups.Find(group)
		return f, err
	})
	if errno != 0 {
		return nil, notThere(errno)
	}
	ino, err := n.groupInode(f.id, "")
	if err != nil {
		return nil, n.errno(err, name)
	}
	node := &groupDir{snapNode: snapNode{mount: n.mount, refusal: syscall.EPERM}, id: f.id, ino: ino}
	if errno := node.attr(ctx, &out.Attr); errno != 0 {
		return nil, notThere(errno)
	}
	believe(f.at, out)
	child, errno := n.newNode(ctx, n.EmbeddedInode(), node, syscall.S_IFDIR, groupKey(f.id), "/")
	if errno == 0 {
		n.ids.called(groupKey(f.id), groupDirName+"/"+name)
	}
	return child, errno
}

// notThere is what a lookup answers for what callFor has found to be gone.
func notThere(errno syscall.Errno) syscall.Errno {
	if errno == syscall.ESTALE {
		return syscall.ENOENT
	}
	return errno
}

// Readdir answers getdents(2): the pool's groups, in the order of their names.
func (n *groupRoot) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	groups, errno := callFor(ctx, n.mount, groupDirName, func() ([]rbdio.Entry, error) {
		groups, _, err := n.groups.List()
		return groups, err
	})
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(groups))
	for _, e := range groups {
		ino, err := n.groupInode(e.ID, "")
		list = n.appendGroupEntry(list, "a group", e.Name, groupKey(e.ID), fuse.DirEntry{Ino: ino, Mode: syscall.S_IFDIR}, err)
	}
	return fusefs.NewListDirStream(list), 0
}

// appendGroupEntry appends an entry under its file name, or says once why it is
// left out.
func (m *mount) appendGroupEntry(list []fuse.DirEntry, what, name, id string, e fuse.DirEntry, err error) []fuse.DirEntry {
	file, ok := fileName(name)
	if ok && err == nil {
		e.Name = file
		return append(list, e)
	}
	if m.ids.firstHidden(id) {
		m.log.Warn(what+" is left out: its name is too long for a file, or its inode number is taken; rename it with the rbd command", "name", name, "id", id, "error", err)
	}
	return list
}
