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

// rootNode is the mount's root: the pool's images as files.
//
// Not there: Mkdir, Symlink (EPERM), Mknod of anything but a regular file (EPERM),
// Link of anything but a snapshot's file, O_TMPFILE (EOPNOTSUPP).
type rootNode struct {
	fusefs.Inode
	*mount
}

var (
	_ fusefs.NodeGetattrer  = (*rootNode)(nil)
	_ fusefs.NodeSetattrer  = (*rootNode)(nil)
	_ fusefs.NodeStatfser   = (*rootNode)(nil)
	_ fusefs.NodeLookuper   = (*rootNode)(nil)
	_ fusefs.NodeCreater    = (*rootNode)(nil)
	_ fusefs.NodeMknoder    = (*rootNode)(nil)
	_ fusefs.NodeUnlinker   = (*rootNode)(nil)
	_ fusefs.NodeRmdirer    = (*rootNode)(nil)
	_ fusefs.NodeRenamer    = (*rootNode)(nil)
	_ fusefs.NodeMkdirer    = (*rootNode)(nil)
	_ fusefs.NodeSymlinker  = (*rootNode)(nil)
	_ fusefs.NodeLinker     = (*rootNode)(nil)
	_ fusefs.NodeTmpfiler   = (*rootNode)(nil)
	_ fusefs.NodeGetxattrer = (*rootNode)(nil)
	_ fusefs.NodeFsyncer    = (*rootNode)(nil)

	_ fusefs.NodeOpendirHandler = (*rootNode)(nil)
	_ fusefs.NodeSetxattrer     = (*rootNode)(nil)
	_ fusefs.NodeRemovexattrer  = (*rootNode)(nil)
)

// Getattr answers stat(2) of the root. Its times are those of the last change of the
// pool's images (dir_time.go).
func (r *rootNode) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	r.dirAttr(rootIno, r.changed(rbdio.ListImages), &out.Attr)
	return 0
}

// Setattr answers chmod(2), chown(2) and utimensat(2) of the root: its owner and
// mode are the mount's options. EPERM.
func (r *rootNode) Setattr(context.Context, fusefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EPERM
}

// Fsync answers fsync(2) of the root: what is made, removed or renamed is on the
// OSDs when that is answered.
func (r *rootNode) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno { return 0 }

// Getxattr answers getxattr(2) of the root, which has none: ENODATA,
// EOPNOTSUPP.
func (r *rootNode) Getxattr(_ context.Context, name string, _ []byte) (uint32, syscall.Errno) {
	return 0, noXattr(name)
}

// Setxattr answers setxattr(2) of the root: EOPNOTSUPP.
func (r *rootNode) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}

// Removexattr answers removexattr(2) of the root: EOPNOTSUPP.
func (r *rootNode) Removexattr(context.Context, string) syscall.Errno { return syscall.EOPNOTSUPP }

// statfsBlock is the unit of statfs(2)'s numbers, in bytes.
const statfsBlock = 4096

// Statfs answers statfs(2) by the pool's usage and quota.
func (r *rootNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	var usage rbdio.Usage
	errno := r.call(ctx, "", func() (err error) {
		usage, err = r.pool.Usage()
		return err
	})
	if errno != 0 {
		return errno
	}
	free := usage.Available
	if usage.Quota != 0 {
		free = min(free, usage.Quota-min(usage.Quota, usage.Stored))
	}
	out.Bsize, out.Frsize = statfsBlock, statfsBlock
	out.Blocks = (usage.Stored + free) / statfsBlock
	out.Bfree = free / statfsBlock
	out.Bavail = out.Bfree
	out.NameLen = nameMax
	return 0
}

// Lookup answers every path resolution of an image's name, and of .snap,
// .trash and .group, which are there whether they are listed or not; ENOENT.
func (r *rootNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	switch name {
	case snapDirName:
		return r.snapRoot(ctx, out), 0
	case trashDirName:
		return r.trashRoot(ctx, out), 0
	case groupDirName:
		return r.groupRoot(ctx, out), 0
	}
	image, errno := imageName(name)
	if errno != 0 {
		return nil, errno
	}
	var found lookedUp
	errno = r.call(ctx, name, func() error {
		found = r.lookupAhead(image)
		return found.err
	})
	if errno != 0 {
		return nil, errno
	}
	return r.child(ctx, name, found, out)
}

// lookedUp is an image found by name.
type lookedUp struct {
	info   rbdio.Info
	at     time.Time // when its attributes were asked for
	named  time.Time // when it had the name
	listed bool      // in a listing, where its attributes may be old
	err    error
}

// lookup finds an image by name. An image that is open here has the size and
// the time that this mount knows.
func (r *rootNode) lookup(image string) lookedUp {
	at := time.Now()
	id, err := r.pool.Lookup(image)
	if err != nil {
		return lookedUp{err: err}
	}
	info, err := r.stat(id)
	if errors.Is(err, syscall.ENOENT) {
		r.log.Info("an image has a name but no header: it is being made or removed, or that was cut off, and \"rbd rm\" removes it", "image", image, "id", id)
	}
	r.ahead.drop(id)
	return lookedUp{info: info, at: at, named: at, err: err}
}

// stat returns an image's attributes, whether it is open or not.
func (m *mount) stat(id string) (rbdio.Info, error) {
	if f := m.files.Get(id); f != nil {
		defer m.files.Put(f)
		return f.Stat()
	}
	return m.pool.Stat(id)
}

// child returns the node of an image, and tells the kernel how long to believe
// in it.
func (r *rootNode) child(ctx context.Context, name string, found lookedUp, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	id := found.info.ID
	ino, err := r.ids.inode(id, "")
	if err != nil {
		return nil, r.errno(err, name)
	}
	r.fileAttr(ino, found.info, &out.Attr)
	least := time.Millisecond
	if found.listed {
		least = brief
	}
	out.SetEntryTimeout(max(fresh-time.Since(found.named), least))
	out.SetAttrTimeout(max(fresh-time.Since(found.at), least))
	node := &imageNode{mount: r.mount, id: id, ino: ino}
	child, errno := r.newNode(ctx, r.EmbeddedInode(), node, syscall.S_IFREG, id, "")
	if errno == 0 {
		r.ids.called(id, name)
	}
	return child, errno
}

// Create answers open(2) with O_CREAT of a name that does not exist: an empty
// image. EEXIST, EINVAL for a name that the rbd command could not address, EPERM
// for a reserved one.
func (r *rootNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	found, errno := r.create(ctx, name, flags, mode)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	node, errno := r.child(ctx, name, found, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	handle, fuseFlags, errno := r.open(ctx, found.info.ID, flags)
	if errno != 0 { // the kernel does not get the node
		r.ids.forget(node.StableAttr().Ino, 1)
	}
	return node, handle, fuseFlags, errno
}

// Mknod answers mknod(2): a regular file is an empty image, all else EPERM.
func (r *rootNode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, syscall.EPERM
	}
	found, errno := r.create(ctx, name, syscall.O_EXCL, mode)
	if errno != 0 {
		return nil, errno
	}
	return r.child(ctx, name, found, out)
}

// create makes an empty image that keeps its creator and its mode, or finds the
// one that another host made meanwhile.
func (r *rootNode) create(ctx context.Context, name string, flags, mode uint32) (lookedUp, syscall.Errno) {
	if reserved(name) {
		return lookedUp{}, syscall.EPERM
	}
	image, errno := newImageName(name)
	if errno != 0 {
		return lookedUp{}, errno
	}
	attr := r.newAttr(ctx, mode)
	var found lookedUp
	errno = r.call(ctx, name, func() error {
		_, err := r.files.Create(image, attr)
		if err != nil && (flags&syscall.O_EXCL != 0 || !errors.Is(err, syscall.EEXIST)) {
			return err
		}
		found = r.lookup(image)
		return found.err
	})
	if errno != 0 {
		return lookedUp{}, errno // found may still be written to
	}
	return found, 0
}

// newAttr returns what to keep with a new image: what differs from the mount's
// options.
func (m *mount) newAttr(ctx context.Context, mode uint32) rbdio.Attr {
	var attr rbdio.Attr
	if mode &= 0o777; mode != m.conf.FileMode {
		attr.Mode = &mode
	}
	if caller, ok := fuse.FromContext(ctx); ok && caller.Uid != m.conf.UID {
		attr.UID = &caller.Uid
	}
	if caller, ok := fuse.FromContext(ctx); ok && caller.Gid != m.conf.GID {
		attr.GID = &caller.Gid
	}
	return attr
}

// Unlink answers unlink(2): the image goes to the trash, and is purged in the
// background. ENOTEMPTY when it has snapshots, EBUSY when another client has it
// open.
func (r *rootNode) Unlink(ctx context.Context, name string) syscall.Errno {
	image, errno := imageName(name)
	if errno != 0 {
		return errno
	}
	errno = r.call(ctx, name, func() error { return r.files.Remove(image) })
	r.forget()
	if errno == 0 {
		r.unlinked(name)
	}
	return errno
}

// unlinked remembers that the image of a name has none any more.
func (r *rootNode) unlinked(name string) {
	if child := r.GetChild(name); child != nil {
		if node, ok := child.Operations().(*imageNode); ok {
			r.ids.unlinked(node.id)
		}
	}
}

// Rename answers rename(2). An image of the new name goes to the trash first.
// EEXIST with RENAME_NOREPLACE, EINVAL for the other flags and for names that
// the rbd command could not address; EROFS into a snapshot and EPERM to elsewhere
// but the root, not EXDEV, at which mv would remove what has the new name in .trash,
// and begin to copy.
func (r *rootNode) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	if reserved(name) {
		return syscall.EPERM
	}
	if newParent.EmbeddedInode() != r.EmbeddedInode() {
		return refusal(newParent)
	}
	image, errno := imageName(name)
	if errno != 0 {
		return errno
	}
	if reserved(newName) {
		return syscall.EPERM
	}
	newImage, errno := newImageName(newName)
	if errno != 0 {
		return errno
	}
	errno = r.call(ctx, name, func() error {
		return r.files.Rename(image, newImage, flags&unix.RENAME_NOREPLACE != 0)
	})
	r.forget()
	if errno == 0 && name != newName {
		r.unlinked(newName)
		r.renamed(name, newName)
	}
	return errno
}

// renamed keeps the name that the log gives an open image.
func (r *rootNode) renamed(name, newName string) {
	if child := r.GetChild(name); child != nil {
		if node, ok := child.Operations().(*imageNode); ok {
			r.ids.called(node.id, newName)
		}
	}
}

// Rmdir answers rmdir(2); there are no directories to remove: EPERM. The kernel
// answers ENOTDIR for an image itself.
func (r *rootNode) Rmdir(context.Context, string) syscall.Errno { return syscall.EPERM }

// Mkdir answers mkdir(2): EPERM.
func (r *rootNode) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

// Symlink answers symlink(2): EPERM.
func (r *rootNode) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

// Tmpfile answers open(2) with O_TMPFILE: an image has a name. EOPNOTSUPP.
func (r *rootNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}
