package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The inode numbers of .snap and .trash.
const (
	snapRootIno  = 2
	trashRootIno = 3
)

// immutable is how long the kernel may believe what a snapshot's file shows.
const immutable = time.Hour

// noWrite are the permissions that nothing in a snapshot has.
const noWrite = 0o222

// snapNode is what .snap, .trash and all nodes below them share: each operation that would change
// something is refused, unless the node has its own.
type snapNode struct {
	fusefs.Inode
	*mount
	refusal syscall.Errno
}

var (
	_ fusefs.NodeSetattrer      = (*snapNode)(nil)
	_ fusefs.NodeStatfser       = (*snapNode)(nil)
	_ fusefs.NodeCreater        = (*snapNode)(nil)
	_ fusefs.NodeMknoder        = (*snapNode)(nil)
	_ fusefs.NodeMkdirer        = (*snapNode)(nil)
	_ fusefs.NodeRmdirer        = (*snapNode)(nil)
	_ fusefs.NodeUnlinker       = (*snapNode)(nil)
	_ fusefs.NodeRenamer        = (*snapNode)(nil)
	_ fusefs.NodeSymlinker      = (*snapNode)(nil)
	_ fusefs.NodeLinker         = (*snapNode)(nil)
	_ fusefs.NodeTmpfiler       = (*snapNode)(nil)
	_ fusefs.NodeGetxattrer     = (*snapNode)(nil)
	_ fusefs.NodeSetxattrer     = (*snapNode)(nil)
	_ fusefs.NodeRemovexattrer  = (*snapNode)(nil)
	_ fusefs.NodeListxattrer    = (*snapNode)(nil)
	_ fusefs.NodeCopyFileRanger = (*snapNode)(nil)
	_ fusefs.NodeFsyncer        = (*snapNode)(nil)
)

// Setattr answers truncate(2), chmod(2), chown(2) and utimensat(2): EROFS.
func (n *snapNode) Setattr(context.Context, fusefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}

// Statfs answers statfs(2) as of the root.
func (n *snapNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.Root().Operations().(*rootNode).Statfs(ctx, out)
}

// Create answers open(2) with O_CREAT of a name that does not exist.
func (n *snapNode) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, n.refusal
}

// Mknod answers mknod(2).
func (n *snapNode) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refusal
}

// Mkdir answers mkdir(2).
func (n *snapNode) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refusal
}

// Rmdir answers rmdir(2).
func (n *snapNode) Rmdir(context.Context, string) syscall.Errno { return n.refusal }

// Unlink answers unlink(2).
func (n *snapNode) Unlink(context.Context, string) syscall.Errno { return n.refusal }

// Rename answers rename(2). It is not EXDEV, at which mv would begin to copy.
func (n *snapNode) Rename(context.Context, string, fusefs.InodeEmbedder, string, uint32) syscall.Errno {
	return n.refusal
}

// refusal is what a rename to a directory that takes none answers: EROFS or EPERM
// below .snap and .group, else EXDEV.
func refusal(dir fusefs.InodeEmbedder) syscall.Errno {
	if n, ok := dir.EmbeddedInode().Operations().(interface{ refuse() syscall.Errno }); ok {
		return n.refuse()
	}
	return syscall.EXDEV
}

func (n *snapNode) refuse() syscall.Errno { return n.refusal }

// renaming returns the names of a snapshot that rename(2) renames in its directory:
// EINVAL for RENAME_EXCHANGE, EPERM to anywhere else and EROFS into a snapshot; not
// EXDEV, at which mv would begin to copy.
func (n *snapNode) renaming(name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) (snap, newSnap string, errno syscall.Errno) {
	if flags&^unix.RENAME_NOREPLACE != 0 {
		return "", "", syscall.EINVAL
	}
	if newParent.EmbeddedInode() != n.EmbeddedInode() {
		if errno = refusal(newParent); errno == syscall.EXDEV {
			errno = syscall.EPERM
		}
		return "", "", errno
	}
	if snap, errno = imageName(name); errno == 0 {
		newSnap, errno = newImageName(newName)
	}
	return snap, newSnap, errno
}

// Symlink answers symlink(2).
func (n *snapNode) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refusal
}

// Link answers link(2).
func (n *snapNode) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refusal
}

// Tmpfile answers open(2) with O_TMPFILE: EOPNOTSUPP.
func (n *snapNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// Fsync answers fsync(2): nothing is left to write.
func (n *snapNode) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno { return 0 }

// Getxattr answers getxattr(2): there are none. ENODATA, EOPNOTSUPP.
func (n *snapNode) Getxattr(_ context.Context, name string, _ []byte) (uint32, syscall.Errno) {
	return 0, noXattr(name)
}

// Listxattr answers listxattr(2): there are none.
func (n *snapNode) Listxattr(context.Context, []byte) (uint32, syscall.Errno) { return 0, 0 }

// Setxattr answers setxattr(2): EROFS.
func (n *snapNode) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.EROFS
}

// Removexattr answers removexattr(2): EROFS.
func (n *snapNode) Removexattr(context.Context, string) syscall.Errno { return syscall.EROFS }

// CopyFileRange answers copy_file_range(2) from here: programs read and
// write by themselves. EXDEV.
func (n *snapNode) CopyFileRange(context.Context, fusefs.FileHandle, uint64, *fusefs.Inode, fusefs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EXDEV
}

// snapDirAttr fills out with the attributes of a directory in which nothing can
// be changed.
func (m *mount) snapDirAttr(ino uint64, changed time.Time, out *fuse.Attr) {
	m.dirAttr(ino, changed, out)
	out.Mode &^= noWrite
}

// believe tells the kernel how long an entry is good for that was so at a time.
func believe(at time.Time, out *fuse.EntryOut) {
	left := max(fresh-time.Since(at), time.Millisecond)
	out.SetEntryTimeout(left)
	out.SetAttrTimeout(left)
}
