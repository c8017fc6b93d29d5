package fs

import (
	"context"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/snapshots"
)

// groupSnapDir is .group/GROUP/SNAP: it holds a file for each image that was in the
// group then. One of another pool is POOL%2FIMAGE.
//
// Not there: all that would change it (EROFS).
type groupSnapDir struct {
	snapNode
	group string // the group's id
	id    string // the group snapshot's
	ino   uint64
	given givenMembers
}

// givenMembers are the members of a group snapshot by the names that its directory
// has given them. A program that has read a name can open it, although the image was
// renamed since.
type givenMembers struct {
	mu     sync.Mutex // guards byName
	byName map[string]snapshots.Member
}

// add remembers a name.
func (g *givenMembers) add(name string, m snapshots.Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byName == nil {
		g.byName = make(map[string]snapshots.Member)
	}
	g.byName[name] = m
}

// find returns the member that had a name last.
func (g *givenMembers) find(name string) (snapshots.Member, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.byName[name]
	return m, ok
}

var (
	_ fusefs.NodeGetattrer = (*groupSnapDir)(nil)
	_ fusefs.NodeLookuper  = (*groupSnapDir)(nil)
	_ fusefs.NodeReaddirer = (*groupSnapDir)(nil)
)

// name is what the log calls the group.
func (n *groupSnapDir) name() string { return n.ids.name(groupKey(n.group)) }

// Getattr answers stat(2): all times are the snapshot's. ESTALE when it is gone.
func (n *groupSnapDir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	changed, errno := callFor(ctx, n.mount, n.name(), func() (time.Time, error) {
		s, err := n.groups.Snapshot(n.group, n.id)
		return groupTime(s), err
	})
	if errno == 0 {
		n.snapDirAttr(n.ino, changed, &out.Attr)
	}
	return errno
}

// members returns the group snapshot's members; ESTALE.
func (n *groupSnapDir) members(ctx context.Context) ([]snapshots.Member, syscall.Errno) {
	return callFor(ctx, n.mount, n.name(), func() ([]snapshots.Member, error) { return n.groups.Members(n.group, n.id) })
}

// Lookup answers path resolution of a member's name, also of one that a listing has
// given before the image was renamed; ENOENT, and EACCES for one that cephx lets us
// not read.
func (n *groupSnapDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	members, errno := n.members(ctx)
	if errno != 0 {
		return nil, notThere(errno)
	}
	for _, m := range members {
		if file, ok := fileName(m.Name); ok && file == name {
			return n.child(ctx, m, name, out)
		}
	}
	if m, ok := n.given.find(name); ok {
		return n.child(ctx, m, name, out)
	}
	return nil, syscall.ENOENT
}

// child returns the node of a member.
func (n *groupSnapDir) child(ctx context.Context, m snapshots.Member, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	ino, err := n.snapInode(m.ImageKey(), m.SnapID, "")
	if err != nil {
		return nil, n.errno(err, name)
	}
	node := &groupFile{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, member: m.Member, ino: ino}
	info, errno := node.stat(ctx)
	if errno != 0 {
		return nil, notThere(errno)
	}
	n.snapFileAttr(ino, info, &out.Attr)
	out.SetEntryTimeout(fresh)
	out.SetAttrTimeout(immutable)
	child, errno := n.newSnapNode(ctx, n.EmbeddedInode(), node, syscall.S_IFREG, m.ImageKey(), m.SnapID, "")
	if errno == 0 {
		n.ids.hint(m.ImageKey(), name)
	}
	return child, errno
}

// Readdir answers getdents(2): the members, in the order of their names.
func (n *groupSnapDir) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	members, errno := n.members(ctx)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(members))
	for _, m := range members {
		ino, err := n.snapInode(m.ImageKey(), m.SnapID, "")
		if file, ok := fileName(m.Name); ok {
			n.given.add(file, m)
		}
		list = n.appendGroupEntry(list, "an image of a group snapshot", m.Name, m.ImageKey(), fuse.DirEntry{Ino: ino, Mode: syscall.S_IFREG}, err)
	}
	return fusefs.NewListDirStream(list), 0
}
