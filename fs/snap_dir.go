package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// snapDir is .snap/IMAGE/SNAP: it holds the image's file as it was. Its .diff is
// not listed, so that copying it copies the image alone.
//
// Not there: all that would change it (EROFS).
type snapDir struct {
	snapNode
	id    string // the image's
	snap  uint64
	ino   uint64
	given givenNames // that the file had, the image's
}

var (
	_ fusefs.NodeGetattrer = (*snapDir)(nil)
	_ fusefs.NodeLookuper  = (*snapDir)(nil)
	_ fusefs.NodeReaddirer = (*snapDir)(nil)
)

// Getattr answers stat(2): all times are the snapshot's. ESTALE when it is gone.
func (n *snapDir) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.belowSnapAttr(ctx, n.id, n.snap, n.ino, &out.Attr)
}

// belowSnapAttr fills out with the attributes of a snapshot's directory, or of one
// in it; ESTALE.
func (m *mount) belowSnapAttr(ctx context.Context, id string, snap, ino uint64, out *fuse.Attr) syscall.Errno {
	changed := make(chan time.Time, 1) // a request that is given up leaves it
	errno := m.call(ctx, m.ids.name(id), func() error {
		s, _, err := m.snaps.Get(id, snap)
		changed <- s.Time
		return m.gone(err)
	})
	if errno == 0 {
		m.snapDirAttr(ino, <-changed, out)
	}
	return errno
}

// file is the name of the one file: that by which the image's directory in .snap
// was last looked up. It is not asked for what the image is called now, so that a
// rename elsewhere changes nothing for a program that is in here.
func (n *snapDir) file() string {
	if _, images := n.Parent(); images != nil {
		if name, _ := images.Parent(); name != "" {
			return n.given.add(name)
		}
	}
	return n.given.last()
}

// Lookup answers path resolution of the file's name, also of one that a listing has
// given before the image was renamed, and of .diff; ENOENT.
func (n *snapDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if name == diffDirName {
		return n.diffDir(ctx, out)
	}
	if name != n.file() && !n.given.has(name) {
		return nil, syscall.ENOENT
	}
	ino, err := n.snapInode(n.id, n.snap, "")
	if err != nil {
		return nil, n.errno(err, name)
	}
	node := &snapFile{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, id: n.id, snap: n.snap, ino: ino}
	info, errno := node.stat(ctx)
	if errno == syscall.ESTALE {
		errno = syscall.ENOENT
	}
	if errno != 0 {
		return nil, errno
	}
	n.snapFileAttr(ino, info, &out.Attr)
	out.SetEntryTimeout(fresh)
	out.SetAttrTimeout(immutable)
	return n.newSnapNode(ctx, n.EmbeddedInode(), node, syscall.S_IFREG, n.id, n.snap, "")
}

// snapFileAttr fills out with the attributes of a snapshot's file.
func (m *mount) snapFileAttr(ino uint64, info rbdio.Info, out *fuse.Attr) {
	m.fileAttr(ino, info, out)
	out.Mode &^= noWrite
}

// Readdir answers getdents(2): the image's file.
func (n *snapDir) Readdir(context.Context) (fusefs.DirStream, syscall.Errno) {
	name := n.file()
	ino, err := n.snapInode(n.id, n.snap, "")
	if err != nil {
		return nil, n.errno(err, name)
	}
	return fusefs.NewListDirStream([]fuse.DirEntry{{Name: name, Ino: ino, Mode: syscall.S_IFREG}}), 0
}
