package fs

import (
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestOpenFlags(t *testing.T) {
	const direct = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	for _, c := range []struct{ flags, oldKernel, newKernel uint32 }{
		{syscall.O_RDONLY, fuse.FOPEN_NOFLUSH, fuse.FOPEN_NOFLUSH},
		{syscall.O_WRONLY, 0, direct},
		{syscall.O_WRONLY | syscall.O_APPEND, 0, direct},
		{syscall.O_RDWR, 0, 0},
		{syscall.O_RDWR | syscall.O_APPEND | syscall.O_SYNC, 0, 0},
		{syscall.O_RDONLY | syscall.O_DIRECT, direct | fuse.FOPEN_NOFLUSH, direct | fuse.FOPEN_NOFLUSH},
		{syscall.O_RDWR | syscall.O_DIRECT, direct, direct},
	} {
		if got := openFlags(c.flags, false); got != c.oldKernel {
			t.Errorf("openFlags(%#o) = %#x, want %#x", c.flags, got, c.oldKernel)
		}
		if got := openFlags(c.flags, true); got != c.newKernel {
			t.Errorf("openFlags(%#o) for writes past the cache = %#x, want %#x", c.flags, got, c.newKernel)
		}
	}
}

func TestWantedAttrOfNothing(t *testing.T) {
	in := &fuse.SetAttrIn{}
	if attr, any := wantedAttr(in); any || attr.Changed != nil {
		t.Errorf("nothing is set, but %+v", attr)
	}
	in.Valid, in.Size = fuse.FATTR_SIZE, 100
	if _, any := wantedAttr(in); any {
		t.Error("a size is kept as an attribute")
	}
}

func TestWantedAttrOfAll(t *testing.T) {
	in := &fuse.SetAttrIn{}
	in.Valid = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_MTIME | fuse.FATTR_ATIME
	in.Mode = syscall.S_IFREG | syscall.S_ISUID | syscall.S_ISVTX | 0o750
	in.Owner = fuse.Owner{Uid: 7, Gid: 8}
	in.Mtime, in.Mtimensec, in.Atime = 1_000_000_000, 5, 6
	attr, any := wantedAttr(in)
	if !any || *attr.Mode != 0o750 || *attr.UID != 7 || *attr.GID != 8 {
		t.Errorf("kept is %+v", attr)
	}
	if !attr.Modified.Equal(time.Unix(1_000_000_000, 5)) || !attr.Accessed.Equal(time.Unix(6, 0)) {
		t.Errorf("times are %v and %v", attr.Modified, attr.Accessed)
	}
	if attr.Changed == nil || time.Since(*attr.Changed) > time.Minute {
		t.Errorf("st_ctime is %v", attr.Changed)
	}
}

func TestWantedAttrOfNow(t *testing.T) {
	in := &fuse.SetAttrIn{} // utimensat(2) with UTIME_NOW, as touch(1) does
	in.Valid = fuse.FATTR_MTIME | fuse.FATTR_MTIME_NOW | fuse.FATTR_ATIME | fuse.FATTR_ATIME_NOW
	before := time.Now()
	attr, any := wantedAttr(in)
	if !any || attr.Modified.Before(before) || attr.Accessed.Before(before) || attr.Mode != nil || attr.UID != nil || attr.GID != nil {
		t.Errorf("kept is %+v", attr)
	}
}
