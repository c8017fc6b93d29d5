package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// snapRoot is .snap: a directory for each image.
//
// Not there: all that would change it (EPERM).
type snapRoot struct{ snapNode }

var (
	_ fusefs.NodeGetattrer = (*snapRoot)(nil)
	_ fusefs.NodeLookuper  = (*snapRoot)(nil)
	_ fusefs.NodeReaddirer = (*snapRoot)(nil)
)

// snapRoot returns the node of .snap.
func (r *rootNode) snapRoot(ctx context.Context, out *fuse.EntryOut) *fusefs.Inode {
	r.snapDirAttr(snapRootIno, r.changed(rbdio.ListImages), &out.Attr)
	believe(time.Now(), out)
	node := &snapRoot{snapNode{mount: r.mount, refusal: syscall.EPERM}}
	return r.NewInode(ctx, node, fusefs.StableAttr{Mode: syscall.S_IFDIR, Ino: snapRootIno})
}

// Getattr answers stat(2): the times are the root's.
func (n *snapRoot) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.snapDirAttr(snapRootIno, n.changed(rbdio.ListImages), &out.Attr)
	return 0
}

// Lookup answers path resolution of an image's name; ENOENT.
func (n *snapRoot) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	image, errno := imageName(name)
	if errno != 0 {
		return nil, errno
	}
	var id string
	errno = n.call(ctx, name, func() (err error) {
		id, err = n.snaps.Image(image)
		return err
	})
	if errno != 0 {
		return nil, errno // id may still be written to
	}
	ino, err := n.ids.inode(id, "/")
	if err != nil {
		return nil, n.errno(err, name)
	}
	node := &snapImageDir{snapNode: snapNode{mount: n.mount, refusal: syscall.EPERM}, id: id, ino: ino}
	if errno := node.attr(ctx, &out.Attr); errno != 0 {
		return nil, errno
	}
	// An image that this mount removes and makes anew is another one at once, so the
	// kernel is to ask each time; Tree knows the answer. For attributes' 0, go-fuse would
	// take its default.
	out.SetEntryTimeout(0)
	out.SetAttrTimeout(time.Nanosecond)
	child, errno := n.newNode(ctx, n.EmbeddedInode(), node, syscall.S_IFDIR, id, "/")
	if errno == 0 {
		n.ids.called(id, name)
	}
	return child, errno
}

// Readdir answers getdents(2): the pool's images.
func (n *snapRoot) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	var entries []rbdio.Entry
	errno := n.call(ctx, snapDirName, func() (err error) {
		entries, err = n.pool.List()
		return err
	})
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(entries))
	for _, e := range entries {
		name, ok := fileName(e.Name)
		if !ok {
			n.ids.logHidden(n.log, e)
			continue
		}
		ino, err := n.ids.inode(e.ID, "/")
		if err != nil {
			n.errno(err, name)
			continue
		}
		list = append(list, fuse.DirEntry{Name: name, Ino: ino, Mode: syscall.S_IFDIR})
	}
	return fusefs.NewListDirStream(list), 0
}
