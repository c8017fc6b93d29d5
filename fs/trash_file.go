package fs

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// trashFile is a removed image's file: it can be looked at, not changed.
//
// Not there: all that would change it (EROFS), locks (the kernel's), Ioctl.
type trashFile struct {
	snapNode
	id  string // the image's
	ino uint64
}

var (
	_ fusefs.NodeGetattrer = (*trashFile)(nil)
	_ fusefs.NodeOpener    = (*trashFile)(nil)
)

// Getattr answers stat(2) and fstat(2); ESTALE when the image is gone. A file that
// is open, and not in the trash any more, has no name.
func (n *trashFile) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	type answer struct {
		info    rbdio.Info
		removed time.Time
	}
	got := make(chan answer, 1) // a request that is given up leaves it
	errno := n.call(ctx, n.ids.name(n.id), func() error {
		list, err := n.files.Removed(true)
		if err != nil {
			return err
		}
		var a answer
		if i := slices.IndexFunc(list, func(e rbdio.TrashEntry) bool { return e.ID == n.id }); i >= 0 {
			a.removed = list[i].Removed
			a.info, err = n.statRemoved(list[i])
		} else {
			a.info, err = n.stat(n.id)
		}
		got <- a
		return n.gone(err)
	})
	if errno != 0 {
		return errno
	}
	a := <-got
	n.trashFileAttr(n.ino, a.info, a.removed, &out.Attr)
	return 0
}

// statRemoved returns a removed image's attributes. What an interrupted purge has
// left of an image without a header shows as an empty file, so that it can be
// removed.
func (m *mount) statRemoved(e rbdio.TrashEntry) (rbdio.Info, error) {
	info, err := m.stat(e.ID)
	if errors.Is(err, syscall.ENOENT) {
		return rbdio.Info{ID: e.ID, Modified: e.Removed, Accessed: e.Removed}, nil
	}
	return info, err
}

// trashFileAttr fills out with the attributes of a removed image's file: all is
// the image's, and ctime the time of its removal; zero for one that is not in the
// trash any more.
func (m *mount) trashFileAttr(ino uint64, info rbdio.Info, removed time.Time, out *fuse.Attr) {
	m.fileAttr(ino, info, out)
	if removed.IsZero() {
		out.Nlink = 0
		return
	}
	out.SetTimes(nil, nil, &removed)
}

// Open answers open(2); EROFS for writing, ESTALE when the image is gone or being
// purged. What is open here is not purged by this mount.
func (n *trashFile) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0 {
		return nil, 0, syscall.EROFS
	}
	return n.open(ctx, n.id, flags)
}
