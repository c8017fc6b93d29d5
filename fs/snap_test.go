package fs

import (
	"strings"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// lookupIn looks a name up in a directory.
func (tr *tree) lookupIn(dir uint64, name string) (fuse.EntryOut, fuse.Status) {
	var out fuse.EntryOut
	h := header(dir)
	status := tr.raw.Lookup(nil, &h, name, &out)
	return out, status
}

// walk looks a path up.
func (tr *tree) walk(names ...string) fuse.EntryOut {
	tr.t.Helper()
	out := fuse.EntryOut{NodeId: rootIno}
	for _, name := range names {
		var status fuse.Status
		out, status = tr.lookupIn(out.NodeId, name)
		tr.want("look up "+name, status, 0)
	}
	return out
}

func TestSnapshotFromMkdirToRmdir(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("a%252Fb", syscall.O_RDWR, syscall.S_IFREG|0o640)
	tr.want("write", tr.write(f.NodeId, f.Fh, 5000, "data"), 0)
	dir := tr.walk(".snap", "a%252Fb")
	var made fuse.EntryOut
	in := fuse.MkdirIn{InHeader: header(dir.NodeId)}
	tr.want("mkdir", tr.raw.Mkdir(nil, &in, "monday", &made), 0)
	tr.want("mkdir again", tr.raw.Mkdir(nil, &in, "monday", &made), syscall.EEXIST)
	tr.want("mkdir a@b", tr.raw.Mkdir(nil, &in, "a@b", &made), syscall.EINVAL)
	tr.want("write", tr.write(f.NodeId, f.Fh, 5000, "more"), 0)
	tr.release(f.NodeId, f.Fh)

	file := tr.walk(".snap", "a%252Fb", "monday", "a%252Fb")
	if file.Mode != syscall.S_IFREG|0o440 || file.Size != 5004 || file.Blocks != 8 || file.Mtime != file.Ctime || file.Ino == f.Ino {
		t.Errorf("the file is %+v", file.Attr)
	}
	if file.AttrTimeout() < time.Minute || file.EntryTimeout() > time.Second {
		t.Errorf("attributes are good for %v, the name for %v", file.AttrTimeout(), file.EntryTimeout())
	}
	for _, flags := range []uint32{syscall.O_WRONLY, syscall.O_RDWR, syscall.O_TRUNC} {
		_, status := tr.open(file.NodeId, flags)
		tr.want("open for writing", status, syscall.EROFS)
	}
	fh, status := tr.open(file.NodeId, syscall.O_RDONLY)
	tr.want("open", status, 0)
	if got, _ := tr.read(file.NodeId, fh, 4999, 100); got != "\x00data" {
		t.Errorf("read %q", got)
	}
	seek := fuse.LseekIn{InHeader: header(file.NodeId), Fh: fh, Whence: 3}
	var at fuse.LseekOut
	if tr.want("seek", tr.raw.Lseek(nil, &seek, &at), 0); at.Offset != 4096 {
		t.Errorf("data at %d", at.Offset)
	}
	h := header(dir.NodeId)
	tr.want("rmdir", tr.raw.Rmdir(nil, &h, "monday"), 0)
	_, status = tr.read(file.NodeId, fh, 0, 10)
	tr.want("read", status, syscall.ESTALE)
	tr.release(file.NodeId, fh)
	_, status = tr.attr(file.NodeId)
	tr.want("stat", status, syscall.ESTALE)
	_, status = tr.lookupIn(dir.NodeId, "monday")
	tr.want("look up", status, syscall.ENOENT)
}

func TestSnapshotRename(t *testing.T) {
	tr := newTree(t)
	for _, name := range []string{"vm1", "vm2"} {
		id, err := tr.pool.Foreign().Create(name, 100)
		must(t, err)
		must(t, tr.pool.Foreign().Snapshot(id, "s"))
		must(t, tr.pool.Foreign().Snapshot(id, "t"))
	}
	dir, s := tr.walk(".snap", "vm1"), tr.walk(".snap", "vm1", "s")
	other := tr.walk(".snap", "vm2")
	rename := func(to uint64, name, newName string) fuse.Status {
		return tr.raw.Rename(nil, &fuse.RenameIn{InHeader: header(dir.NodeId), Newdir: to}, name, newName)
	}
	tr.want("over another", rename(dir.NodeId, "s", "t"), syscall.EEXIST)
	tr.want("to another image", rename(other.NodeId, "s", "u"), syscall.EPERM)
	tr.want("to the root", rename(rootIno, "s", "u"), syscall.EPERM)
	tr.want("into a snapshot", rename(s.NodeId, "t", "u"), syscall.EROFS)
	tr.want("none", rename(dir.NodeId, "none", "u"), syscall.ENOENT)
	tr.want("to itself", rename(dir.NodeId, "s", "s"), 0)
	tr.want("rename", rename(dir.NodeId, "s", "u"), 0)
	if now := tr.walk(".snap", "vm1", "u"); now.Ino != s.Ino {
		t.Errorf("it has inode %d, had %d", now.Ino, s.Ino)
	}
}

// An image that is removed and made anew has other snapshots at once.
func TestSnapshotsOfANewImage(t *testing.T) {
	tr := newTree(t)
	a, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	tr.release(a.NodeId, a.Fh)
	old := tr.walk(".snap", "vm1")
	tr.want("unlink", tr.unlink("vm1"), 0)
	_, status := tr.lookupIn(tr.walk(".snap").NodeId, "vm1")
	tr.want("look up", status, syscall.ENOENT)
	b, _ := tr.create("vm1", syscall.O_RDWR, 0o600)
	tr.release(b.NodeId, b.Fh)
	if now := tr.walk(".snap", "vm1"); now.Ino == old.Ino || now.EntryTimeout() != 0 {
		t.Errorf("the new image's directory is %+v", now)
	}
}

func TestSnapdirIsListedWhenVisible(t *testing.T) {
	for visible, want := range map[SnapDir]int{SnapDirHidden: 0, SnapDirVisible: 3} {
		tr := newTree(t)
		tr.m.conf.SnapDir = visible
		tr.walk(".snap")
		list, _, errno := (&rootNode{mount: tr.m}).list(t.Context())
		if n := len(list); n != want || errno != 0 {
			t.Errorf("%s: %d entries, %v", visible, n, errno)
		}
	}
}

func TestLinkClones(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("golden", 5000)
	must(t, err)
	must(t, tr.pool.Foreign().Write(id, []byte("gold"), 4990))
	must(t, tr.pool.Foreign().Snapshot(id, "v1"))
	file, image := tr.walk(".snap", "golden", "v1", "golden"), tr.walk("golden")
	link := func(dir, node uint64, name string) (fuse.EntryOut, fuse.Status) {
		var out fuse.EntryOut
		status := tr.raw.Link(nil, &fuse.LinkIn{InHeader: header(dir), Oldnodeid: node}, name, &out)
		return out, status
	}
	for name, errno := range map[string]syscall.Errno{"golden": syscall.EEXIST, "a@b": syscall.EINVAL, ".snap": syscall.EPERM} {
		_, status := link(rootIno, file.NodeId, name)
		tr.want("clone as "+name, status, errno)
	}
	_, status := link(rootIno, image.NodeId, "vm7")
	tr.want("link of an image", status, syscall.EOPNOTSUPP)
	_, status = link(rootIno, tr.walk(".snap", "golden", "v1").NodeId, "vm7")
	tr.want("link of a directory", status, syscall.EOPNOTSUPP)
	_, status = link(tr.walk(".snap", "golden", "v1").NodeId, image.NodeId, "vm7")
	tr.want("link into a snapshot", status, syscall.EROFS)
	tr.pool.Fail("CloneSnapshot", 1, syscall.EPERM)
	_, status = link(rootIno, file.NodeId, "vm7")
	tr.want("clone", status, syscall.EPERM)
	_, status = link(rootIno, file.NodeId, "vm7")
	tr.want("clone", status, 0)
	vm := tr.walk("vm7")
	if vm.Size != 5000 || vm.Mode != syscall.S_IFREG|0o600 || vm.Ino == file.Ino || vm.Nlink != 1 {
		t.Errorf("the clone is %+v", vm)
	}
	fh, status := tr.open(vm.NodeId, syscall.O_RDWR)
	tr.want("open", status, 0)
	tr.want("write", tr.write(vm.NodeId, fh, 4992, "at"), 0)
	if got, _ := tr.read(vm.NodeId, fh, 4990, 100); got != "goat\x00\x00\x00\x00\x00\x00" {
		t.Errorf("read %q", got)
	}
	tr.release(vm.NodeId, fh)
	h := header(tr.walk(".snap", "golden").NodeId)
	tr.want("rmdir", tr.raw.Rmdir(nil, &h, "v1"), syscall.EBUSY)
}

// What a directory shows is on the OSDs at once, so fsync(2) of it succeeds.
func TestFsyncOfDirectories(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "s"))
	path := []string{".snap", "vm1", "s"}
	for depth := range len(path) + 1 {
		in := fuse.FsyncIn{InHeader: header(tr.walk(path[:depth]...).NodeId)}
		tr.want("fsync", tr.raw.FsyncDir(nil, &in), 0)
	}
}

// An image cannot be moved below .snap, and mv is not told to copy it there.
func TestRenameIntoSnapshots(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "s"))
	path := []string{".snap", "vm1", "s"}
	for depth, errno := range []syscall.Errno{syscall.EPERM, syscall.EPERM, syscall.EROFS} {
		in := fuse.RenameIn{InHeader: header(rootIno), Newdir: tr.walk(path[:depth+1]...).NodeId}
		tr.want("rename", tr.raw.Rename(nil, &in, "vm1", "x"), errno)
	}
}

// A snapshot whose name the mount does not give can be read, renamed and removed.
func TestSnapshotWithASlash(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	for _, name := range []string{"a/b", "a@b"} {
		must(t, tr.pool.Foreign().Snapshot(id, name))
	}
	dir := tr.walk(".snap", "vm1")
	tr.walk(".snap", "vm1", "a%2Fb", "vm1")
	in := fuse.RenameIn{InHeader: header(dir.NodeId), Newdir: dir.NodeId}
	tr.want("rename", tr.raw.Rename(nil, &in, "a%2Fb", "c"), 0)
	tr.want("rename to", tr.raw.Rename(nil, &in, "c", "a@b"), syscall.EINVAL)
	for _, name := range []string{"c", "a@b"} {
		tr.want("rmdir", tr.raw.Rmdir(nil, &in.InHeader, name), 0)
	}
}

// entries lists a directory.
func entries(t *testing.T, dir fusefs.NodeReaddirer) string {
	t.Helper()
	stream, errno := dir.Readdir(t.Context())
	if errno != 0 {
		t.Fatal(errno)
	}
	var names []string
	for stream.HasNext() {
		e, _ := stream.Next()
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// .diff is not listed, and lists the streams from older snapshots and the full one.
func TestSnapshotStreams(t *testing.T) {
	tr := newTree(t)
	foreign := tr.pool.Foreign()
	id, err := foreign.Create("vm1", 9000)
	must(t, err)
	for i, name := range []string{"a", ".full", "c"} {
		must(t, foreign.Write(id, []byte("data"), uint64(i)*4096))
		must(t, foreign.Snapshot(id, name))
	}
	dir := tr.walk(".snap", "vm1", "c", ".diff")
	if dir.Mode&noWrite != 0 || dir.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		t.Errorf("the directory is %+v", dir.Attr)
	}
	if got := tr.listed(tr.walk(".snap", "vm1", "c").NodeId); got != "vm1" {
		t.Errorf("the snapshot lists %s", got)
	}
	if got := entries(t, &snapDiffDir{snapNode: snapNode{mount: tr.m}, id: id, snap: 3}); got != ".full a %2Efull" {
		t.Errorf(".diff lists %s", got)
	}
	inodes := map[uint64]string{}
	for _, name := range []string{".full", "a", "%2Efull"} {
		f := tr.walk(".snap", "vm1", "c", ".diff", name)
		fh, status := tr.open(f.NodeId, syscall.O_RDONLY)
		tr.want("open", status, 0)
		got, _ := tr.read(f.NodeId, fh, 0, 100_000)
		if uint64(len(got)) != f.Size || !strings.HasPrefix(got, "rbd diff v1\n") || got[len(got)-1] != 'e' {
			t.Errorf("%s: %d bytes, and stat says %d", name, len(got), f.Size)
		}
		if f.Mode != syscall.S_IFREG|0o400 || f.Blocks != (f.Size+511)/512 || f.Mtime != dir.Mtime {
			t.Errorf("%s is %+v", name, f.Attr)
		}
		tr.release(f.NodeId, fh)
		inodes[f.Ino] = name
		_, status = tr.open(f.NodeId, syscall.O_WRONLY)
		tr.want("open for writing", status, syscall.EROFS)
		_, status = tr.lookupIn(tr.walk(".snap", "vm1", "a", ".diff").NodeId, name)
		if name != ".full" {
			tr.want("look up in the oldest", status, syscall.ENOENT)
		}
	}
	if inodes[tr.walk("vm1").Ino] = "vm1"; len(inodes) != 4 {
		t.Errorf("inode numbers %v", inodes)
	}
	h := header(dir.NodeId)
	tr.want("unlink", tr.raw.Unlink(nil, &h, "a"), syscall.EROFS)
	_, status := tr.lookupIn(dir.NodeId, "c")
	tr.want("look up itself", status, syscall.ENOENT)
}

// An open stream stays as it is when a snapshot gets another name, and the next one
// has it.
func TestStreamOfARenamedSnapshot(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 9000)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "a"))
	must(t, tr.pool.Foreign().Snapshot(id, "b"))
	f := tr.walk(".snap", "vm1", "b", ".diff", "a")
	fh, status := tr.open(f.NodeId, syscall.O_RDONLY)
	tr.want("open", status, 0)
	in := fuse.RenameIn{InHeader: header(tr.walk(".snap", "vm1").NodeId), Newdir: tr.walk(".snap", "vm1").NodeId}
	tr.want("rename", tr.raw.Rename(nil, &in, "a", "monday"), 0)
	now := tr.walk(".snap", "vm1", "b", ".diff", "monday")
	if now.Ino != f.Ino || now.Size != f.Size+5 {
		t.Errorf("it is %+v, was %+v", now.Attr, f.Attr)
	}
	var out fuse.AttrOut
	get := fuse.GetAttrIn{InHeader: header(f.NodeId), Fh_: fh, Flags_: fuse.FUSE_GETATTR_FH}
	tr.want("fstat", tr.raw.GetAttr(nil, &get, &out), 0)
	if got, _ := tr.read(f.NodeId, fh, 0, 1000); out.Size != f.Size || uint64(len(got)) != f.Size {
		t.Errorf("fstat says %d, it has %d bytes, and had %d", out.Size, len(got), f.Size)
	}
	tr.release(f.NodeId, fh)
}
