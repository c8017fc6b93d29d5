package fs

import (
	"context"
	"errors"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
)

// trashRoot is .trash: the removed images as files, for as long as they can be
// brought back. Moving one to the root restores it, and removing it purges it.
//
// Not there: all else that would change it (EPERM).
type trashRoot struct{ snapNode }

var (
	_ fusefs.NodeGetattrer = (*trashRoot)(nil)
	_ fusefs.NodeLookuper  = (*trashRoot)(nil)
	_ fusefs.NodeReaddirer = (*trashRoot)(nil)
	_ fusefs.NodeUnlinker  = (*trashRoot)(nil)
	_ fusefs.NodeRenamer   = (*trashRoot)(nil)
)

// trashRoot returns the node of .trash.
func (r *rootNode) trashRoot(ctx context.Context, out *fuse.EntryOut) *fusefs.Inode {
	node := &trashRoot{snapNode{mount: r.mount, refusal: syscall.EPERM}}
	r.dirAttr(trashRootIno, r.changed(rbdio.ListTrash), &out.Attr)
	out.SetEntryTimeout(fresh)
	out.SetAttrTimeout(time.Nanosecond) // an rm in the root changes it
	return r.NewInode(ctx, node, fusefs.StableAttr{Mode: syscall.S_IFDIR, Ino: trashRootIno})
}

// Getattr answers stat(2): the times are those of the last removal, restoring or end
// of a purge.
func (n *trashRoot) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.SetTimeout(time.Nanosecond)
	n.dirAttr(trashRootIno, n.changed(rbdio.ListTrash), &out.Attr)
	return 0
}

// list returns the removed images.
func (n *trashRoot) list(ctx context.Context) ([]rbdio.TrashEntry, syscall.Errno) {
	got := make(chan []rbdio.TrashEntry, 1) // a request that is given up leaves it
	errno := n.call(ctx, trashDirName, func() error {
		list, err := n.files.Removed(true)
		got <- list
		return err
	})
	if errno != 0 {
		return nil, errno
	}
	return <-got, 0
}

// Lookup answers path resolution of a removed image's name, the one that it is
// listed by or the one that it had: that is the last one removed, then. ENOENT.
func (n *trashRoot) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	type answer struct {
		e    rbdio.TrashEntry
		info rbdio.Info
	}
	got := make(chan answer, 1) // a request that is given up leaves it
	errno := n.call(ctx, trashDirName+"/"+name, func() error {
		e, err := n.find(name, true)
		if err != nil {
			return err
		}
		info, err := n.statRemoved(e)
		got <- answer{e, info}
		return err
	})
	if errno != 0 {
		return nil, errno
	}
	a := <-got
	ino, err := n.trashInode(a.e.ID)
	if err != nil {
		return nil, n.errno(err, name)
	}
	n.trashFileAttr(ino, a.info, a.e.Removed, &out.Attr)
	// After a rename(2) the kernel takes the image's new name for this file, until it
	// asks again. So the name is not good for any time; the kernel rounds up even a
	// nanosecond, to some milliseconds.
	out.SetEntryTimeout(0)
	out.SetAttrTimeout(fresh)
	node := &trashFile{snapNode: snapNode{mount: n.mount, refusal: syscall.EROFS}, id: a.e.ID, ino: ino}
	child, errno := n.newNode(ctx, n.EmbeddedInode(), node, syscall.S_IFREG, a.e.ID, trashSnap)
	if errno == 0 {
		n.ids.calledInTrash(a.e.ID, name)
	}
	return child, errno
}

// trashSnap stands for a snapshot's id in the inode number of a removed image's file.
const trashSnap = "trash"

// trashInode returns the inode number of a removed image's file.
func (m *mount) trashInode(imageID string) (uint64, error) { return m.ids.inode(imageID, trashSnap) }

// find returns the removed image that a name stands for; ENOENT.
func (n *trashRoot) find(name string, cached bool) (rbdio.TrashEntry, error) {
	list, err := n.files.Removed(cached)
	if err != nil {
		return rbdio.TrashEntry{}, err
	}
	return n.latest(named(list, name), name)
}

// latest returns the image that was removed last, and of several in one second
// the one that was made last; ENOENT for none.
func (n *trashRoot) latest(of []rbdio.TrashEntry, name string) (rbdio.TrashEntry, error) {
	if len(of) == 0 {
		return rbdio.TrashEntry{}, rbdio.Errorf(syscall.ENOENT, "find %q in the trash", name)
	}
	last := of[0]
	for _, e := range of[1:] {
		if e.Removed.Before(last.Removed) {
			continue
		}
		if e.Removed.Equal(last.Removed) {
			a, errA := n.stat(last.ID)
			b, errB := n.stat(e.ID)
			if err := errors.Join(errA, errB); err != nil {
				return rbdio.TrashEntry{}, err
			}
			if b.Created.Before(a.Created) {
				continue
			}
		}
		last = e
	}
	return last, nil
}

// Readdir answers getdents(2): the removed images, but for those being purged.
func (n *trashRoot) Readdir(ctx context.Context) (fusefs.DirStream, syscall.Errno) {
	entries, errno := n.list(ctx)
	if errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(entries))
	for _, e := range entries {
		ino, err := n.trashInode(e.ID)
		if err != nil {
			n.errno(err, e.Name)
			continue
		}
		list = append(list, fuse.DirEntry{Name: trashName(e), Ino: ino, Mode: syscall.S_IFREG})
	}
	return fusefs.NewListDirStream(list), 0
}

// Unlink answers unlink(2): the image is purged, whoever removed it and before its
// time. ENOTEMPTY when it has snapshots, EBUSY when another client has it open,
// EPERM for a name that several removed images had: what is purged cannot be
// brought back, so it is to be said which.
func (n *trashRoot) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.call(ctx, trashDirName+"/"+name, func() error {
		list, err := n.files.Removed(false)
		if err != nil {
			return err
		}
		found := named(list, name)
		if len(found) > 1 {
			return &rbdio.Error{Op: "purge " + name, Errno: syscall.EPERM,
				Why: "several removed images had this name; give one of those that a listing of .trash shows"}
		}
		e, err := n.latest(found, name)
		if err != nil {
			return err
		}
		return n.files.Purge(e)
	})
}

// Rename answers rename(2) to the root: it brings the image back, as it was when
// it was removed. EEXIST over another one, EINVAL for RENAME_EXCHANGE and for names
// that the rbd command could not address, EBUSY when its purge has begun, EPERM to
// anywhere else; not EXDEV, at which mv would begin to copy.
func (n *trashRoot) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	root, ok := newParent.EmbeddedInode().Operations().(*rootNode)
	if !ok || reserved(newName) {
		return syscall.EPERM
	}
	image, errno := newImageName(newName)
	if errno != 0 {
		return errno
	}
	errno = n.call(ctx, trashDirName+"/"+name, func() error {
		e, err := n.find(name, false)
		if err != nil {
			return err
		}
		if err := n.files.Restore(e.ID, image); err != nil {
			return err
		}
		n.ids.called(e.ID, newName)
		return nil
	})
	root.forget()
	return errno
}
