package fs

import (
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio/memrbd"
)

// groupTree is a tree with a group "d/b" of an image and one of another pool, and
// their contents.
func groupTree(t *testing.T) (tr *tree, image string) {
	t.Helper()
	tr = newTree(t)
	other := memrbd.New(memrbd.Options{ObjectSize: 4096, Key: "pool2"})
	id, err := tr.pool.Foreign().Create("vm1", 5000)
	must(t, err)
	must(t, tr.pool.Foreign().Write(id, []byte("near"), 4990))
	far, err := other.Foreign().Create("vm1", 100)
	must(t, err)
	must(t, other.Foreign().Write(far, []byte("far"), 0))
	group := tr.pool.Foreign().AddGroup("d/b", id)
	must(t, tr.pool.Foreign().AddToGroup(group, 7, other, far))
	return tr, id
}

func (tr *tree) mkdir(dir uint64, name string) fuse.Status {
	var out fuse.EntryOut
	return tr.raw.Mkdir(nil, &fuse.MkdirIn{InHeader: header(dir)}, name, &out)
}

func (tr *tree) rmdir(dir uint64, name string) fuse.Status {
	h := header(dir)
	return tr.raw.Rmdir(nil, &h, name)
}

func TestGroupSnapshotFromMkdirToRmdir(t *testing.T) {
	tr, id := groupTree(t)
	dir := tr.walk(".group", "d%2Fb")
	tr.want("mkdir", tr.mkdir(dir.NodeId, "s"), 0)
	tr.want("mkdir again", tr.mkdir(dir.NodeId, "s"), syscall.EEXIST)
	tr.want("mkdir a@b", tr.mkdir(dir.NodeId, "a@b"), syscall.EINVAL)
	must(t, tr.pool.Foreign().Write(id, []byte("late"), 4990))

	snap := tr.walk(".group", "d%2Fb", "s")
	if snap.Mode&noWrite != 0 || snap.Mtime == 0 || snap.EntryTimeout() > time.Second {
		t.Errorf("the directory is %+v", snap.Attr)
	}
	near, far := tr.walk(".group", "d%2Fb", "s", "vm1"), tr.walk(".group", "d%2Fb", "s", "pool2%2Fvm1")
	if near.Ino == far.Ino || near.Ino == tr.walk("vm1").Ino || near.Mode != syscall.S_IFREG|0o400 || near.Size != 5000 || far.Size != 100 {
		t.Errorf("the files are %+v and %+v", near.Attr, far.Attr)
	}
	if near.AttrTimeout() < time.Minute || near.EntryTimeout() > time.Second {
		t.Errorf("attributes are good for %v, the name for %v", near.AttrTimeout(), near.EntryTimeout())
	}
	_, status := tr.lookupIn(snap.NodeId, "vm2")
	tr.want("look up another name", status, syscall.ENOENT)
	_, status = tr.open(near.NodeId, syscall.O_RDWR)
	tr.want("open for writing", status, syscall.EROFS)
	fh, status := tr.open(near.NodeId, syscall.O_RDONLY)
	tr.want("open", status, 0)
	if got, _ := tr.read(near.NodeId, fh, 4990, 4); got != "near" {
		t.Errorf("read %q", got)
	}
	farFh, status := tr.open(far.NodeId, syscall.O_RDONLY)
	tr.want("open", status, 0)
	if got, _ := tr.read(far.NodeId, farFh, 0, 3); got != "far" {
		t.Errorf("read %q", got)
	}
	tr.release(far.NodeId, farFh)
	tr.want("unlink", tr.raw.Unlink(nil, &fuse.InHeader{NodeId: snap.NodeId}, "vm1"), syscall.EROFS)
	tr.want("rmdir", tr.rmdir(dir.NodeId, "s"), 0)
	_, status = tr.read(near.NodeId, fh, 0, 10)
	tr.want("read", status, syscall.ESTALE)
	tr.release(near.NodeId, fh)
	for _, node := range []uint64{near.NodeId, snap.NodeId} {
		_, status = tr.attr(node)
		tr.want("stat", status, syscall.ESTALE)
	}
	_, status = tr.lookupIn(dir.NodeId, "s")
	tr.want("look up", status, syscall.ENOENT)
}

func TestGroupRefusals(t *testing.T) {
	tr, _ := groupTree(t)
	root, dir := tr.walk(".group"), tr.walk(".group", "d%2Fb")
	tr.want("mkdir of a group", tr.mkdir(root.NodeId, "x"), syscall.EPERM)
	tr.want("rmdir of a group", tr.rmdir(root.NodeId, "d%2Fb"), syscall.EPERM)
	_, status := tr.lookupIn(root.NodeId, "none")
	tr.want("look up", status, syscall.ENOENT)
	tr.want("mkdir", tr.mkdir(dir.NodeId, "s"), 0)
	tr.want("mkdir", tr.mkdir(dir.NodeId, "t"), 0)
	s := tr.walk(".group", "d%2Fb", "s")
	rename := func(to uint64, name, newName string) fuse.Status {
		return tr.raw.Rename(nil, &fuse.RenameIn{InHeader: header(dir.NodeId), Newdir: to}, name, newName)
	}
	tr.want("over another", rename(dir.NodeId, "s", "t"), syscall.EEXIST)
	tr.want("to .group", rename(root.NodeId, "s", "u"), syscall.EPERM)
	tr.want("to the root", rename(rootIno, "s", "u"), syscall.EPERM)
	tr.want("into a snapshot", rename(s.NodeId, "t", "u"), syscall.EROFS)
	tr.want("none", rename(dir.NodeId, "none", "u"), syscall.ENOENT)
	tr.want("to itself", rename(dir.NodeId, "s", "s"), 0)
	tr.want("rename", rename(dir.NodeId, "s", "u"), 0)
	if now := tr.walk(".group", "d%2Fb", "u"); now.Ino != s.Ino {
		t.Errorf("it has inode %d, had %d", now.Ino, s.Ino)
	}
	file := tr.walk(".group", "d%2Fb", "u", "vm1")
	var out fuse.EntryOut
	link := fuse.LinkIn{InHeader: header(rootIno), Oldnodeid: file.NodeId}
	tr.want("clone", tr.raw.Link(nil, &link, "vm9", &out), syscall.EOPNOTSUPP)
	tr.pool.Fail("CreateGroupSnapshot", 1, syscall.EPERM)
	tr.want("mkdir", tr.mkdir(dir.NodeId, "v"), syscall.EPERM)
	tr.pool.Fail("StatMember", 1, syscall.EACCES)
	_, status = tr.lookupIn(tr.walk(".group", "d%2Fb", "u").NodeId, "pool2%2Fvm1")
	tr.want("look up what cannot be read", status, syscall.EACCES)
	tr.pool.Fail("OpenMember", 1, syscall.EACCES)
	_, status = tr.open(file.NodeId, syscall.O_RDONLY)
	tr.want("open what cannot be read", status, syscall.EACCES)
}

// What a listing of .group and below shows.
func TestGroupListings(t *testing.T) {
	tr, _ := groupTree(t)
	dir := tr.walk(".group", "d%2Fb")
	tr.want("mkdir", tr.mkdir(dir.NodeId, "s"), 0)
	tr.want("mkdir", tr.mkdir(dir.NodeId, "r"), 0)
	groups, _, err := tr.m.groups.List()
	must(t, err)
	group := groups[0].ID
	snaps, _, err := tr.m.groups.Snapshots(group)
	must(t, err)
	for want, node := range map[string]fusefs.NodeReaddirer{
		"d%2Fb ":           &groupRoot{snapNode{mount: tr.m}},
		"s r ":             &groupDir{snapNode: snapNode{mount: tr.m}, id: group},
		"pool2%2Fvm1 vm1 ": &groupSnapDir{snapNode: snapNode{mount: tr.m}, group: group, id: snaps[0].ID},
	} {
		got := ""
		stream, errno := node.Readdir(t.Context())
		for errno == 0 && stream.HasNext() {
			var e fuse.DirEntry
			e, errno = stream.Next()
			got += e.Name + " "
		}
		if got != want || errno != 0 {
			t.Errorf("listed %q, %v, want %q", got, errno, want)
		}
	}
}
