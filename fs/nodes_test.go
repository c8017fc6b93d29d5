package fs

import (
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
	"rbdfs/snapshots"
)

// tree is the node tree of a mount, which a test asks as the kernel does, and
// its pool.
type tree struct {
	t    testing.TB
	m    *mount
	pool *memrbd.Pool
	raw  fuse.RawFileSystem
}

func newTree(t testing.TB) *tree { return newTreeThatKeeps(t, 0) }

// newTreeThatKeeps keeps removed images for a time.
func newTreeThatKeeps(t testing.TB, keep time.Duration) *tree {
	pool := memrbd.New(memrbd.Options{ObjectSize: 4096, WriteBack: true})
	log := slog.New(slog.DiscardHandler)
	m := &mount{pool: pool, log: log, conf: Config{FileMode: 0o600, DirMode: 0o700, Logger: log}}
	m.files = rbdio.NewFiles(pool, rbdio.FilesOptions{TrashKeep: keep, Logger: log})
	m.snaps = snapshots.New(pool, m.files, snapshots.Options{Logger: log})
	m.groups = snapshots.NewGroups(pool, m.files)
	m.ids.key = pool.Key()
	m.times.mounted = time.Now()
	timeout := fresh
	raw := &forgets{fusefs.NewNodeFS(&rootNode{mount: m}, &fusefs.Options{
		AttrTimeout: &timeout, NullPermissions: true, ExternalNodeID: true,
		RootStableAttr: &fusefs.StableAttr{Ino: rootIno},
	}), &m.ids}
	t.Cleanup(func() {
		m.snaps.Close()
		must(t, m.files.Close())
		if readers, writers := pool.OpenCounts(); readers+writers > 0 {
			t.Errorf("%d images are open for reading, %d for writing", readers, writers)
		}
	})
	return &tree{t: t, m: m, pool: pool, raw: raw}
}

func header(node uint64) fuse.InHeader {
	return fuse.InHeader{NodeId: node, Caller: fuse.Caller{Pid: 1}}
}

func (tr *tree) lookup(name string) (fuse.EntryOut, fuse.Status) {
	var out fuse.EntryOut
	h := header(rootIno)
	status := tr.raw.Lookup(nil, &h, name, &out)
	return out, status
}

func (tr *tree) create(name string, flags, mode uint32) (fuse.CreateOut, fuse.Status) {
	var out fuse.CreateOut
	in := fuse.CreateIn{InHeader: header(rootIno), Flags: flags, Mode: mode}
	status := tr.raw.Create(nil, &in, name, &out)
	return out, status
}

func (tr *tree) open(node uint64, flags uint32) (uint64, fuse.Status) {
	var out fuse.OpenOut
	status := tr.raw.Open(nil, &fuse.OpenIn{InHeader: header(node), Flags: flags}, &out)
	return out.Fh, status
}

func (tr *tree) write(node, fh, off uint64, data string) fuse.Status {
	in := fuse.WriteIn{InHeader: header(node), Fh: fh, Offset: off, Size: uint32(len(data))}
	_, status := tr.raw.Write(nil, &in, []byte(data))
	return status
}

func (tr *tree) read(node, fh, off uint64, n int) (string, fuse.Status) {
	in := fuse.ReadIn{InHeader: header(node), Fh: fh, Offset: off, Size: uint32(n)}
	buf := make([]byte, n)
	result, status := tr.raw.Read(nil, &in, buf)
	if status != fuse.OK {
		return "", status
	}
	got, status := result.Bytes(buf)
	defer result.Done()
	return string(got), status
}

func (tr *tree) release(node, fh uint64) {
	tr.raw.Release(nil, &fuse.ReleaseIn{InHeader: header(node), Fh: fh})
}

func (tr *tree) attr(node uint64) (fuse.Attr, fuse.Status) {
	var out fuse.AttrOut
	status := tr.raw.GetAttr(nil, &fuse.GetAttrIn{InHeader: header(node)}, &out)
	return out.Attr, status
}

func (tr *tree) unlink(name string) fuse.Status {
	h := header(rootIno)
	return tr.raw.Unlink(nil, &h, name)
}

func (tr *tree) rename(name, newName string, flags uint32) fuse.Status {
	in := fuse.RenameIn{InHeader: header(rootIno), Newdir: rootIno, Flags: flags}
	return tr.raw.Rename(nil, &in, name, newName)
}

// want fails unless a request was answered with an errno, 0 for success.
func (tr *tree) want(what string, got fuse.Status, errno syscall.Errno) {
	tr.t.Helper()
	if got != fuse.Status(errno) {
		tr.t.Errorf("%s: answered %v, want %v", what, got, fuse.Status(errno))
	}
}

func TestFileFromCreationToRemoval(t *testing.T) {
	tr := newTree(t)
	f, status := tr.create("a%252Fb", syscall.O_RDWR, syscall.S_IFREG|0o640)
	tr.want("create", status, 0)
	tr.want("write", tr.write(f.NodeId, f.Fh, 3, "data"), 0)
	if got, _ := tr.read(f.NodeId, f.Fh, 0, 100); got != "\x00\x00\x00data" {
		t.Errorf("read %q", got)
	}
	attr, status := tr.attr(f.NodeId)
	tr.want("stat", status, 0)
	if attr.Size != 7 || attr.Mode != syscall.S_IFREG|0o640 || attr.Ino != f.Ino || attr.Blocks == 0 || attr.Nlink != 1 {
		t.Errorf("attributes are %+v", attr)
	}
	if id, err := tr.pool.Lookup("a%2Fb"); err != nil || tr.m.ids.name(id) != "a%252Fb" {
		t.Errorf("the image is %q, %v", id, err)
	}
	tr.want("unlink", tr.unlink("a%252Fb"), 0)
	_, status = tr.lookup("a%252Fb")
	tr.want("look up", status, syscall.ENOENT)
	if attr, _ = tr.attr(f.NodeId); attr.Nlink != 0 || attr.Size != 7 {
		t.Errorf("removed while open, attributes are %+v", attr)
	}
	tr.want("write on", tr.write(f.NodeId, f.Fh, 0, "more"), 0)
	if got, _ := tr.read(f.NodeId, f.Fh, 0, 100); got != "moreata" {
		t.Errorf("read %q", got)
	}
	tr.release(f.NodeId, f.Fh)
}

func TestRefusedNames(t *testing.T) {
	tr := newTree(t)
	for name, errno := range map[string]syscall.Errno{
		"a@b": syscall.EINVAL, "a%2Fb": syscall.EINVAL, ".snap": syscall.EPERM, ".trash": syscall.EPERM,
		".group": syscall.EPERM, strings.Repeat("x", 256): syscall.ENAMETOOLONG,
	} {
		_, status := tr.create(name, syscall.O_RDWR, 0o600)
		tr.want("create "+name, status, errno)
		tr.want("rename to "+name, tr.rename("absent", name, 0), errno)
	}
	if entries, err := tr.pool.List(); len(entries) > 0 || err != nil {
		t.Errorf("the pool has %v, %v", entries, err)
	}
}

func TestRename(t *testing.T) {
	tr := newTree(t)
	a, _ := tr.create("a", syscall.O_RDWR, 0o600)
	b, _ := tr.create("b", syscall.O_RDWR, 0o600)
	tr.want("exchange", tr.rename("a", "b", unix.RENAME_EXCHANGE), syscall.EINVAL)
	tr.want("whiteout", tr.rename("a", "b", unix.RENAME_WHITEOUT), syscall.EINVAL)
	tr.want("no replace", tr.rename("a", "b", unix.RENAME_NOREPLACE), syscall.EEXIST)
	tr.want("absent", tr.rename("c", "b", 0), syscall.ENOENT)
	tr.want("replace", tr.rename("a", "b", 0), 0)
	out, status := tr.lookup("b")
	tr.want("look up", status, 0)
	if out.Ino != a.Ino {
		t.Errorf("b has inode %d, want %d", out.Ino, a.Ino)
	}
	if attr, _ := tr.attr(b.NodeId); attr.Nlink != 0 {
		t.Errorf("replaced, b has %d links", attr.Nlink)
	}
	if attr, _ := tr.attr(a.NodeId); attr.Nlink != 1 {
		t.Errorf("renamed, a has %d links", attr.Nlink)
	}
	tr.release(a.NodeId, a.Fh)
	tr.release(b.NodeId, b.Fh)
}

func TestAllocate(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	defer tr.release(f.NodeId, f.Fh)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, strings.Repeat("x", 10000)), 0)
	for _, c := range []struct {
		mode        uint32
		off, length uint64
		errno       syscall.Errno
		size        uint64
	}{
		{0, 0, 5000, 0, 10000}, // never makes a file smaller
		{unix.FALLOC_FL_KEEP_SIZE, 0, 50000, 0, 10000},
		{unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE, 9990, 50000, 0, 10000},
		{unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE, 1 << 40, 50000, 0, 10000},
		{0, 10000, 5000, 0, 15000},
		{unix.FALLOC_FL_ZERO_RANGE, 20000, 5000, 0, 25000},
		{0, 1 << 63, 1, syscall.EFBIG, 25000},
		{0, 1<<63 - 1, 1, syscall.EFBIG, 25000},
		{unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096, syscall.EOPNOTSUPP, 25000},
		{unix.FALLOC_FL_INSERT_RANGE, 0, 4096, syscall.EOPNOTSUPP, 25000},
		{unix.FALLOC_FL_UNSHARE_RANGE, 0, 4096, syscall.EOPNOTSUPP, 25000},
	} {
		in := fuse.FallocateIn{InHeader: header(f.NodeId), Fh: f.Fh, Offset: c.off, Length: c.length, Mode: c.mode}
		tr.want("fallocate", tr.raw.Fallocate(nil, &in), c.errno)
		if attr, _ := tr.attr(f.NodeId); attr.Size != c.size {
			t.Errorf("%+v: the file has %d bytes", c, attr.Size)
		}
	}
	if got, _ := tr.read(f.NodeId, f.Fh, 9980, 20); got != strings.Repeat("x", 10)+strings.Repeat("\x00", 10) {
		t.Errorf("at the hole are %q", got)
	}
}

func TestImageGoneElsewhereIsESTALE(t *testing.T) {
	tr := newTree(t)
	_, err := tr.pool.Foreign().Create("vm1", 8000)
	must(t, err)
	out, status := tr.lookup("vm1")
	tr.want("look up", status, 0)
	must(t, tr.pool.Foreign().Delete("vm1"))
	_, status = tr.attr(out.NodeId)
	tr.want("stat", status, syscall.ESTALE)
	_, status = tr.open(out.NodeId, syscall.O_RDONLY)
	tr.want("open", status, syscall.ESTALE)
	_, status = tr.lookup("vm1")
	tr.want("look up", status, syscall.ENOENT)
}

func TestErrorsAreErrors(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, "data"), 0)
	tr.pool.Fail("ReadAt", 1, syscall.EBADMSG)
	_, status := tr.read(f.NodeId, f.Fh, 0, 4)
	tr.want("read", status, syscall.EIO)
	tr.pool.Fail("WriteAt", 1, syscall.ENOSPC)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, "late"), syscall.ENOSPC)
	tr.pool.Fail("Flush", 2, syscall.EIO)
	in := fuse.FsyncIn{InHeader: header(f.NodeId), Fh: f.Fh}
	tr.want("fsync", tr.raw.Fsync(nil, &in), syscall.EIO)
	flush := fuse.FlushIn{InHeader: header(f.NodeId), Fh: f.Fh}
	tr.want("close", tr.raw.Flush(nil, &flush), syscall.EIO)
	tr.want("fsync after a close that may have been another process's", tr.raw.Fsync(nil, &in), syscall.EIO)
	tr.want("fsync again", tr.raw.Fsync(nil, &in), 0)
	if got, _ := tr.read(f.NodeId, f.Fh, 0, 100); got != "data" {
		t.Errorf("read %q", got)
	}
	tr.release(f.NodeId, f.Fh)
}

func TestDirectoryOperationsThatThereAreNot(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	defer tr.release(f.NodeId, f.Fh)
	var out fuse.EntryOut
	h := header(rootIno)
	tr.want("mkdir", tr.raw.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, "d", &out), syscall.EPERM)
	tr.want("rmdir", tr.raw.Rmdir(nil, &h, "vm1"), syscall.EPERM)
	tr.want("symlink", tr.raw.Symlink(nil, &h, "to", "l", &out), syscall.EPERM)
	tr.want("link", tr.raw.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: f.NodeId}, "l", &out), syscall.EOPNOTSUPP)
	tr.want("mkfifo", tr.raw.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: syscall.S_IFIFO}, "p", &out), syscall.EPERM)
	tr.want("mknod", tr.raw.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: syscall.S_IFREG | 0o600}, "vm2", &out), 0)
	tr.want("mknod again", tr.raw.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: syscall.S_IFREG}, "vm2", &out), syscall.EEXIST)
	_, status := tr.create("vm2", syscall.O_RDWR|syscall.O_EXCL, 0o600)
	tr.want("create", status, syscall.EEXIST)
	tr.want("unlink", tr.unlink("absent"), syscall.ENOENT)
	tr.want("setxattr", tr.raw.SetXAttr(nil, &fuse.SetXAttrIn{InHeader: h}, "user.a", nil), syscall.EOPNOTSUPP)
	tr.want("removexattr", tr.raw.RemoveXAttr(nil, &h, "user.a"), syscall.EOPNOTSUPP)
}

func TestTruncateAndTimes(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, "data"), 0)
	tr.release(f.NodeId, f.Fh)
	var in fuse.SetAttrIn
	var out fuse.AttrOut
	in.InHeader = header(f.NodeId)
	in.Valid, in.Size = fuse.FATTR_SIZE, 2
	tr.want("truncate", tr.raw.SetAttr(nil, &in, &out), 0)
	in.Valid, in.Mtime, in.Mode = fuse.FATTR_MTIME|fuse.FATTR_MODE, 1_000_000_000, 0o444
	tr.want("utimens", tr.raw.SetAttr(nil, &in, &out), 0)
	if out.Size != 2 || !out.ModTime().Equal(time.Unix(1_000_000_000, 0)) || out.Mode != syscall.S_IFREG|0o444 {
		t.Errorf("attributes are %+v", out.Attr)
	}
	tr.pool.Fail("Open", 1, syscall.EROFS)
	in.Valid, in.Size = fuse.FATTR_SIZE, 1
	tr.want("truncate", tr.raw.SetAttr(nil, &in, &out), syscall.EROFS)
}
