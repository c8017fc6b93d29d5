package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// Link answers link(2): of a snapshot's file it makes a copy-on-write clone, an
// image of its own that the caller owns and can write to. EEXIST; EINVAL for a name
// that the rbd command could not address; EOPNOTSUPP for any other file, since an
// image has one name.
func (r *rootNode) Link(ctx context.Context, target fusefs.InodeEmbedder, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	from, ok := target.EmbeddedInode().Operations().(*snapFile)
	if !ok {
		return nil, syscall.EOPNOTSUPP
	}
	if reserved(name) {
		return nil, syscall.EPERM
	}
	image, errno := newImageName(name)
	if errno != 0 {
		return nil, errno
	}
	attr := r.cloneAttr(ctx)
	var found lookedUp
	errno = r.call(ctx, name, func() error {
		if _, err := r.files.Clone(from.id, from.snap, image, attr); err != nil {
			return err
		}
		found = r.lookup(image)
		return found.err
	})
	r.forget()
	if errno != 0 {
		return nil, errno // found may still be written to
	}
	return r.child(ctx, name, found, out)
}

// cloneAttr returns what to keep with a clone. It has its parent's metadata, so
// that all is said, also what the mount's options say.
func (m *mount) cloneAttr(ctx context.Context) rbdio.Attr {
	mode, uid, gid := m.conf.FileMode, m.conf.UID, m.conf.GID
	if caller, ok := fuse.FromContext(ctx); ok {
		uid, gid = caller.Uid, caller.Gid
	}
	return rbdio.Attr{Mode: &mode, UID: &uid, GID: &gid}
}
