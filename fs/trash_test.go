package fs

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
)

// put makes an image with a text.
func (tr *tree) put(name, text string, mode uint32) fuse.CreateOut {
	tr.t.Helper()
	f, status := tr.create(name, syscall.O_RDWR, syscall.S_IFREG|mode)
	tr.want("create "+name, status, 0)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, text), 0)
	tr.release(f.NodeId, f.Fh)
	return f
}

// content reads a file.
func (tr *tree) content(node uint64) string {
	tr.t.Helper()
	fh, status := tr.open(node, syscall.O_RDONLY)
	tr.want("open", status, 0)
	defer tr.release(node, fh)
	got, status := tr.read(node, fh, 0, 100)
	tr.want("read", status, 0)
	return got
}

// trash lists .trash.
func (tr *tree) trash() (names []string) {
	tr.t.Helper()
	node := &trashRoot{snapNode{mount: tr.m}}
	stream, errno := node.Readdir(tr.t.Context())
	for errno == 0 && stream.HasNext() {
		var e fuse.DirEntry
		e, errno = stream.Next()
		names = append(names, e.Name)
	}
	if errno != 0 {
		tr.t.Fatal("list .trash:", errno)
	}
	return names
}

// mv renames between two directories.
func (tr *tree) mv(from uint64, name string, to uint64, newName string, flags uint32) fuse.Status {
	in := fuse.RenameIn{InHeader: header(from), Newdir: to, Flags: flags}
	return tr.raw.Rename(nil, &in, name, newName)
}

// rm removes a file of .trash.
func (tr *tree) rm(name string) fuse.Status {
	h := header(tr.walk(".trash").NodeId)
	return tr.raw.Unlink(nil, &h, name)
}

func TestRestore(t *testing.T) {
	tr := newTreeThatKeeps(t, time.Hour)
	live := tr.put("vm1", "data", 0o640)
	tr.put("vm2", "other", 0o600)
	begin := time.Now().Truncate(time.Second)
	tr.want("rm", tr.unlink("vm1"), 0)
	list := tr.trash()
	if len(list) != 1 || !strings.HasPrefix(list[0], "vm1@2") {
		t.Fatalf("the trash has %q", list)
	}
	dir, file := tr.walk(".trash"), tr.walk(".trash", list[0])
	if file.Mode != syscall.S_IFREG|0o640 || file.Size != 4 || file.Nlink != 1 || file.Ino == live.Ino ||
		int64(file.Ctime) < begin.Unix() || file.Mtime == 0 || dir.Mtime != file.Ctime || dir.Ino != trashRootIno {
		t.Errorf("the file is %+v in %+v", file.Attr, dir.Attr)
	}
	if file.EntryTimeout() != 0 { // or the kernel would take it for the restored file
		t.Errorf("the name is good for %v", file.EntryTimeout())
	}
	if attr, _ := tr.attr(file.NodeId); attr.Ctime != file.Ctime || attr.Nlink != 1 {
		t.Errorf("the file is %+v, then %+v", file.Attr, attr)
	}
	if alias := tr.walk(".trash", "vm1"); alias.Ino != file.Ino || tr.content(alias.NodeId) != "data" {
		t.Errorf("vm1 is %+v", alias)
	}
	tr.want("over another", tr.mv(dir.NodeId, "vm1", rootIno, "vm2", 0), syscall.EEXIST)
	tr.want("over another", tr.mv(dir.NodeId, "vm1", rootIno, "vm2", unix.RENAME_NOREPLACE), syscall.EEXIST)
	tr.want("exchange", tr.mv(dir.NodeId, "vm1", rootIno, "vm2", unix.RENAME_EXCHANGE), syscall.EINVAL)
	tr.want("a@b", tr.mv(dir.NodeId, "vm1", rootIno, "a@b", 0), syscall.EINVAL)
	tr.want("a/b", tr.mv(dir.NodeId, "vm1", rootIno, "a%2Fb", 0), syscall.EINVAL)
	tr.want("reserved", tr.mv(dir.NodeId, "vm1", rootIno, ".snap", 0), syscall.EPERM)
	tr.want("inside", tr.mv(dir.NodeId, "vm1", dir.NodeId, "vm3", 0), syscall.EPERM)
	tr.want("to .snap", tr.mv(dir.NodeId, "vm1", tr.walk(".snap").NodeId, "vm1", 0), syscall.EPERM)
	tr.want("none", tr.mv(dir.NodeId, "none", rootIno, "vm3", 0), syscall.ENOENT)
	tr.want("into the trash", tr.mv(rootIno, "vm2", dir.NodeId, "vm1", 0), syscall.EPERM)
	tr.want("restore", tr.mv(dir.NodeId, list[0], rootIno, "vm3", 0), 0)
	now := tr.walk("vm3")
	if now.Ino != live.Ino || now.Mode != live.Mode || now.Nlink != 1 || tr.content(now.NodeId) != "data" {
		t.Errorf("restored it is %+v", now.Attr)
	}
	if list := tr.trash(); len(list) > 0 {
		t.Errorf("the trash has %q", list)
	}
	_, status := tr.lookupIn(dir.NodeId, list[0])
	tr.want("look up", status, syscall.ENOENT)
}

// Two images of one name are two files, and the name alone means the last.
func TestRemovedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // both in the same second
		tr := newTreeThatKeeps(t, time.Hour)
		tr.put("vm1", "old", 0o600)
		tr.want("rm", tr.unlink("vm1"), 0)
		old := tr.trash()[0]
		time.Sleep(time.Millisecond)
		tr.put("vm1", "new", 0o600)
		tr.want("rm", tr.unlink("vm1"), 0)
		list := tr.trash()
		if len(list) != 2 || list[0] == list[1] || list[0] != old {
			t.Fatalf("the trash has %q, had %q", list, old)
		}
		if got := tr.content(tr.walk(".trash", old).NodeId); got != "old" {
			t.Errorf("%s holds %q", old, got)
		}
		tr.want("rm vm1", tr.rm("vm1"), syscall.EPERM) // which one?
		tr.want("restore", tr.mv(tr.walk(".trash").NodeId, "vm1", rootIno, "vm1", 0), 0)
		if got := tr.content(tr.walk("vm1").NodeId); got != "new" {
			t.Errorf("vm1 holds %q", got)
		}
		tr.want("rm vm1", tr.rm("vm1"), 0)
		if list := tr.trash(); len(list) > 0 {
			t.Errorf("the trash has %q", list)
		}
	})
}

// What another tool removed shows, and is purged at once when that is asked for,
// unless something keeps it.
func TestPurgeByRm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		id, err := tr.pool.Foreign().Create("vm1", 100)
		must(t, err)
		_, err = tr.pool.Foreign().Remove("vm1", time.Now().Add(time.Hour))
		must(t, err)
		name := tr.trash()[0]
		must(t, tr.pool.Foreign().SetSnapshots(id, 1))
		tr.want("rm with snapshots", tr.rm(name), syscall.ENOTEMPTY)
		must(t, tr.pool.Foreign().SetSnapshots(id, 0))
		release, err := tr.pool.Foreign().Watch(id)
		must(t, err)
		tr.want("rm of an open image", tr.rm(name), syscall.EBUSY)
		release()
		tr.pool.Fail("Expire", 1, syscall.EPERM)
		tr.want("rm without permission", tr.rm(name), syscall.EPERM)
		tr.want("rm of none", tr.rm("none"), syscall.ENOENT)
		if list := tr.trash(); len(list) != 1 {
			t.Errorf("the trash has %q", list)
		}
		release = tr.pool.Block("Purge")
		tr.want("rm", tr.rm(name), 0)
		if list := tr.trash(); len(list) > 0 { // at once
			t.Errorf("the trash has %q", list)
		}
		_, status := tr.lookupIn(tr.walk(".trash").NodeId, name)
		tr.want("look up", status, syscall.ENOENT)
		release()
		synctest.Wait()
		if list, err := tr.pool.ListTrash(); len(list) > 0 || err != nil {
			t.Errorf("not purged: %v, %v", list, err)
		}
	})
}

func TestTrashIsReadOnly(t *testing.T) {
	tr := newTreeThatKeeps(t, time.Hour)
	tr.put("vm1", "data", 0o640)
	tr.want("rm", tr.unlink("vm1"), 0)
	dir, file := tr.walk(".trash"), tr.walk(".trash", "vm1")
	for _, flags := range []uint32{syscall.O_WRONLY, syscall.O_RDWR, syscall.O_TRUNC} {
		_, status := tr.open(file.NodeId, flags)
		tr.want("open for writing", status, syscall.EROFS)
	}
	h := header(dir.NodeId)
	var out fuse.EntryOut
	var created fuse.CreateOut
	var attr fuse.AttrOut
	tr.want("create", tr.raw.Create(nil, &fuse.CreateIn{InHeader: h, Flags: syscall.O_RDWR}, "x", &created), syscall.EPERM)
	tr.want("mkdir", tr.raw.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, "x", &out), syscall.EPERM)
	tr.want("rmdir", tr.raw.Rmdir(nil, &h, "vm1"), syscall.EPERM)
	tr.want("symlink", tr.raw.Symlink(nil, &h, "to", "x", &out), syscall.EPERM)
	tr.want("link", tr.raw.Link(nil, &fuse.LinkIn{InHeader: header(rootIno), Oldnodeid: file.NodeId}, "x", &out), syscall.EOPNOTSUPP)
	for _, node := range []uint64{dir.NodeId, file.NodeId} {
		in := fuse.SetAttrIn{SetAttrInCommon: fuse.SetAttrInCommon{InHeader: header(node), Valid: fuse.FATTR_MODE, Mode: 0o777}}
		tr.want("chmod", tr.raw.SetAttr(nil, &in, &attr), syscall.EROFS)
	}
	if info, err := tr.pool.Stat(tr.trashID()); err != nil || info.Size != 4 || *info.Attr.Mode != 0o640 {
		t.Errorf("%+v, %v", info, err)
	}
}

// trashID is the id of the one image in the trash.
func (tr *tree) trashID() string {
	tr.t.Helper()
	list, err := tr.m.files.Removed(false)
	must(tr.t, err)
	if len(list) != 1 {
		tr.t.Fatalf("the trash has %v", list)
	}
	return list[0].ID
}

// A file that is open when it is removed goes on when it is restored, and after
// that, and has a name again.
func TestRestoreWhileOpen(t *testing.T) {
	tr := newTree(t)
	f, _ := tr.create("vm1", syscall.O_RDWR, syscall.S_IFREG|0o600)
	tr.want("write", tr.write(f.NodeId, f.Fh, 0, "data"), 0)
	tr.want("rm", tr.unlink("vm1"), 0)
	if attr, _ := tr.attr(f.NodeId); attr.Nlink != 0 {
		t.Errorf("removed, it has %d links", attr.Nlink)
	}
	removed := tr.walk(".trash", "vm1")
	fh, status := tr.open(removed.NodeId, syscall.O_RDONLY)
	tr.want("open", status, 0)
	tr.want("write", tr.write(f.NodeId, f.Fh, 4, "more"), 0)
	tr.want("restore", tr.mv(tr.walk(".trash").NodeId, "vm1", rootIno, "vm1", 0), 0)
	if got, _ := tr.read(removed.NodeId, fh, 0, 100); got != "datamore" {
		t.Errorf("read %q", got)
	}
	if attr, status := tr.attr(removed.NodeId); attr.Nlink != 0 || attr.Size != 8 || status != fuse.OK {
		t.Errorf("restored, the removed file is %+v, %v", attr, status)
	}
	tr.release(removed.NodeId, fh)
	if now := tr.walk("vm1"); now.NodeId != f.NodeId || now.Nlink != 1 {
		t.Errorf("restored, it is %+v, was %+v", now, f)
	}
	if attr, _ := tr.attr(f.NodeId); attr.Nlink != 1 {
		t.Errorf("restored, it has %d links", attr.Nlink)
	}
	tr.want("write", tr.write(f.NodeId, f.Fh, 8, "!"), 0)
	tr.release(f.NodeId, f.Fh)
	if got := tr.content(tr.walk("vm1").NodeId); got != "datamore!" {
		t.Errorf("it holds %q", got)
	}
}

// What is left of an image without a header shows, so that it can be removed.
func TestRemainsOfAPurge(t *testing.T) {
	tr := newTreeThatKeeps(t, time.Hour)
	tr.put("vm1", "data", 0o600)
	tr.want("rm", tr.unlink("vm1"), 0)
	name := tr.trash()[0]
	tr.pool.Fail("Stat", -1, syscall.ENOENT)
	if file := tr.walk(".trash", name); file.Size != 0 || file.Nlink != 1 || file.Mtime != file.Ctime {
		t.Errorf("it is %+v", file.Attr)
	}
	tr.want("rm", tr.rm(name), 0)
}

func TestTrashName(t *testing.T) {
	at := time.Date(2026, 11, 25, 20, 20, 31, 0, time.FixedZone("", 3600))
	for image, want := range map[string]string{
		"vm1":   "vm1@20261125T192031Z-10f6",
		"a/b%":  "a%2Fb%@20261125T192031Z-10f6",
		".snap": ".snap@20261125T192031Z-10f6",
		"a@b":   "a@b@20261125T192031Z-10f6",
	} {
		if got := trashName(rbdio.TrashEntry{Name: image, Removed: at, ID: "10f6"}); got != want {
			t.Errorf("%s is listed as %s, want %s", image, got, want)
		}
	}
	for n := range 300 {
		e := rbdio.TrashEntry{Name: strings.Repeat("ä/", n+1), Removed: at, ID: fmt.Sprint("id", n)}
		if name := trashName(e); len(name) > nameMax || !utf8.ValidString(name) || !strings.HasSuffix(name, "@20261125T192031Z-"+e.ID) {
			t.Errorf("%q", name)
		}
	}
}
