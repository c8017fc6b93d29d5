package fs

import (
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// fileBlock is st_blksize of a file, in bytes: how much cp, cat and the like read
// and write at once. It is the largest request that the kernel sends.
const fileBlock = 1 << 20

// fileAttr fills out with the attributes of an image's file.
func (m *mount) fileAttr(ino uint64, info rbdio.Info, out *fuse.Attr) {
	out.Ino = ino
	out.Size = info.Size
	out.Blocks = blocks(info, m.conf.NoExtents)
	out.Blksize = fileBlock
	out.Nlink = 1
	out.Mode = syscall.S_IFREG | m.conf.FileMode
	out.Uid, out.Gid = m.conf.UID, m.conf.GID
	changed := info.Modified
	if a := info.Attr; a.Mode != nil {
		out.Mode = syscall.S_IFREG | *a.Mode
	}
	if a := info.Attr; a.UID != nil {
		out.Uid = *a.UID
	}
	if a := info.Attr; a.GID != nil {
		out.Gid = *a.GID
	}
	if a := info.Attr; a.Changed != nil && a.Changed.After(changed) {
		changed = *a.Changed
	}
	out.SetTimes(&info.Accessed, &info.Modified, &changed)
}

// dirAttr fills out with the attributes of a directory.
func (m *mount) dirAttr(ino uint64, changed time.Time, out *fuse.Attr) {
	out.Ino = ino
	out.Mode = syscall.S_IFDIR | m.conf.DirMode
	out.Nlink = 2
	out.Blksize = statfsBlock // go-fuse computes st_blocks by itself for 0
	out.Uid, out.Gid = m.conf.UID, m.conf.GID
	out.SetTimes(&changed, &changed, &changed)
}

// blocks returns st_blocks, in units of 512 bytes. Programs read more into it
// than its value: tar takes 0 for a file without data, and cp and tar look for
// holes only when it is below the size. So it is 0 only for a file that is known
// to hold nothing, and below the size while there may be holes.
func blocks(info rbdio.Info, noExtents bool) uint64 {
	below := max(info.Size/512, 2) - 1 // the most that shows holes; at least 1
	switch {
	case info.Size == 0 || info.Allocated == 0 && !noExtents:
		return 0
	case noExtents || info.Allocated != rbdio.Unknown && uint64(info.Allocated) >= info.Size:
		return (info.Size + 511) / 512
	case info.Allocated == rbdio.Unknown:
		return below
	}
	return min((uint64(info.Allocated)+511)/512, below)
}
