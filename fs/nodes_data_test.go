package fs

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// An open that was given up leaves nothing open, whoever comes last.
func TestOpenThatIsGivenUpIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t) // its cleanup looks for what is open
		id, err := tr.pool.Foreign().Create("vm1", 8000)
		must(t, err)
		release := tr.pool.Block("Open")
		start := time.Now()
		_, _, errno := tr.m.open(canceled(-1), id, syscall.O_RDWR)
		if errno != syscall.EINTR || time.Since(start) != giveUpAge {
			t.Errorf("answered %v after %v", errno, time.Since(start))
		}
		release()
		synctest.Wait()
		if ids := tr.m.files.OpenIDs(); len(ids) > 0 {
			t.Errorf("open images are left: %v", ids)
		}
	})
}

// A read or a write that was given up goes on in the background with a buffer
// that nobody else gets.
func TestReadThatIsGivenUpKeepsItsBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		id, err := tr.pool.Foreign().Create("vm1", 8000)
		must(t, err)
		must(t, tr.pool.Foreign().Write(id, []byte("data"), 0))
		handle, _, errno := tr.m.open(t.Context(), id, syscall.O_RDONLY)
		if errno != 0 {
			t.Fatal(errno)
		}
		h := handle.(*imageHandle)
		release := tr.pool.Block("ReadAt")
		if _, errno := h.Read(canceled(-1), make([]byte, 4), 0); errno != syscall.EINTR {
			t.Errorf("answered %v", errno)
		}
		other := tr.m.transfers.bufs.get(4)
		copy(*other, "mine")
		release()
		synctest.Wait()
		if string(*other) != "mine" {
			t.Errorf("somebody wrote %q to another's buffer", *other)
		}
		h.Release(t.Context())
	})
}

func TestSeekAndCopy(t *testing.T) {
	tr := newTree(t)
	from, _ := tr.create("from", syscall.O_RDWR, 0o600)
	to, _ := tr.create("to", syscall.O_RDWR, 0o600)
	defer tr.release(from.NodeId, from.Fh)
	defer tr.release(to.NodeId, to.Fh)
	tr.want("write", tr.write(from.NodeId, from.Fh, 10*4096, "data"), 0)
	copied, status := tr.raw.CopyFileRange(nil, &fuse.CopyFileRangeIn{
		InHeader: header(from.NodeId), FhIn: from.Fh, NodeIdOut: to.NodeId, FhOut: to.Fh, Len: 1 << 40,
	})
	tr.want("copy", status, 0)
	if copied != 10*4096+4 {
		t.Errorf("copied %d bytes", copied)
	}
	for _, c := range []struct {
		off    uint64
		whence uint32
		want   uint64
		errno  syscall.Errno
	}{
		{0, unix.SEEK_DATA, 10 * 4096, 0},
		{0, unix.SEEK_HOLE, 0, 0},
		{10 * 4096, unix.SEEK_HOLE, 10*4096 + 4, 0},
		{10*4096 + 4, unix.SEEK_DATA, 0, syscall.ENXIO},
		{0, unix.SEEK_END, 0, syscall.EINVAL},
	} {
		var out fuse.LseekOut
		in := fuse.LseekIn{InHeader: header(to.NodeId), Fh: to.Fh, Offset: c.off, Whence: c.whence}
		tr.want("seek", tr.raw.Lseek(nil, &in, &out), c.errno)
		if out.Offset != c.want {
			t.Errorf("%+v: at %d", c, out.Offset)
		}
	}
}

func (tr *tree) getxattr(node uint64, name string, room int) (string, fuse.Status) {
	buf := make([]byte, room)
	h := header(node)
	n, status := tr.raw.GetXAttr(nil, &h, name, buf)
	return string(buf[:min(int(n), room)]), status
}

func TestExtendedAttributes(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	defer tr.release(f.NodeId, f.Fh)
	set := func(name, value string, flags uint32) fuse.Status {
		in := fuse.SetXAttrIn{InHeader: header(f.NodeId), Flags: flags}
		return tr.raw.SetXAttr(nil, &in, name, []byte(value))
	}
	tr.want("set", set("user.rbd.meta.owner", "me", unix.XATTR_CREATE), 0)
	tr.want("create again", set("user.rbd.meta.owner", "me", unix.XATTR_CREATE), syscall.EEXIST)
	tr.want("replace none", set("user.rbd.meta.absent", "me", unix.XATTR_REPLACE), syscall.ENODATA)
	tr.want("set read-only", set("user.rbd.id", "7", 0), syscall.EPERM)
	tr.want("set elsewhere", set("trusted.mine", "7", 0), syscall.EOPNOTSUPP)
	tr.want("set a NUL", set("user.rbd.meta.nul", "a\x00b", 0), syscall.EINVAL)
	if got, _ := tr.getxattr(f.NodeId, "user.rbd.object_size", 100); got != "4096" {
		t.Errorf("the object size is %q", got)
	}
	if got, _ := tr.getxattr(f.NodeId, "user.rbd.meta.owner", 2); got != "me" {
		t.Errorf("the owner is %q", got)
	}
	_, status := tr.getxattr(f.NodeId, "user.rbd.meta.owner", 1)
	tr.want("too little room", status, syscall.ERANGE)
	for _, name := range []string{"security.selinux", "security.capability", "system.posix_acl_access", "trusted.x"} {
		_, status := tr.getxattr(f.NodeId, name, 100)
		tr.want("get "+name, status, syscall.EOPNOTSUPP)
	}
	for _, name := range []string{"user.mine", "user.rbd.parent", "user.rbd.meta.absent", "user.rbd.nonsense"} {
		_, status := tr.getxattr(f.NodeId, name, 100)
		tr.want("get "+name, status, syscall.ENODATA)
	}
	buf := make([]byte, 1000)
	h := header(f.NodeId)
	n, status := tr.raw.ListXAttr(nil, &h, buf)
	tr.want("list", status, 0)
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	if !slices.Equal(names, []string{"user.rbd.meta.owner"}) {
		t.Errorf("listed are %q", names)
	}
	tr.want("remove", tr.raw.RemoveXAttr(nil, &h, "user.rbd.meta.owner"), 0)
	tr.want("remove again", tr.raw.RemoveXAttr(nil, &h, "user.rbd.meta.owner"), syscall.ENODATA)
	tr.want("remove read-only", tr.raw.RemoveXAttr(nil, &h, "user.rbd.id"), syscall.EPERM)
}
