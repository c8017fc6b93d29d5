package fs

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirOf is an open directory, as the kernel has it.
type dirOf struct {
	tr       *tree
	node, fh uint64
	off      uint64
}

func (tr *tree) opendir(node uint64) *dirOf {
	tr.t.Helper()
	var out fuse.OpenOut
	tr.want("open the directory", tr.raw.OpenDir(nil, &fuse.OpenIn{InHeader: header(node)}, &out), 0)
	return &dirOf{tr: tr, node: node, fh: out.Fh}
}

// page reads one page with attributes, by name.
func (d *dirOf) page(size int) map[string]fuse.EntryOut {
	d.tr.t.Helper()
	list := fuse.NewDirEntryList(make([]byte, size), d.off)
	in := fuse.ReadIn{InHeader: header(d.node), Fh: d.fh, Offset: d.off}
	d.tr.want("read the directory", d.tr.raw.ReadDirPlus(nil, &in, list), 0)
	entries, outs, err := fuse.ParseDirLookupEntries(list.Bytes())
	must(d.tr.t, err)
	found := map[string]fuse.EntryOut{}
	for i, e := range entries {
		found[e.Name], d.off = outs[i], e.Off
	}
	return found
}

// all reads the rest of the directory.
func (d *dirOf) all() map[string]fuse.EntryOut {
	d.tr.t.Helper()
	all := map[string]fuse.EntryOut{}
	for {
		page := d.page(1 << 15)
		for name, out := range page {
			all[name] = out
		}
		if len(page) == 0 {
			return all
		}
	}
}

// images makes n of one size.
func (tr *tree) images(n int, size uint64) (ids []string) {
	tr.t.Helper()
	for k := range n {
		id, err := tr.pool.Foreign().Create(fmt.Sprintf("vm%03d", k), size)
		must(tr.t, err)
		ids = append(ids, id)
	}
	return ids
}

func TestListingHasAttributes(t *testing.T) {
	for _, visible := range []SnapDir{SnapDirHidden, SnapDirVisible} {
		tr := newTree(t)
		tr.m.conf.SnapDir = visible
		tr.images(300, 5000)
		d := tr.opendir(rootIno)
		for _, offset := range []uint64{0, 250, 0} {
			d.off = offset
			all := d.all()
			for k := offset; k < 300; k += 7 {
				name := fmt.Sprintf("vm%03d", k)
				now, _ := tr.lookup(name)
				if got := all[name]; got.NodeId == 0 || got.Size != 5000 || got.Ino != now.Ino {
					t.Errorf("%s is listed as %+v", name, got)
				}
			}
		}
		if n := tr.pool.Calls("StatMany"); n == 0 || n > 60 {
			t.Errorf("%d calls for the headers of 300 images", n)
		}
		if page := tr.opendir(rootIno).page(1 << 15); len(page) != firstPage {
			t.Errorf("%d entries in the first page", len(page))
		}
	}
}

// Directories of snapshots are listed by names alone.
func TestSnapshotListingHasNames(t *testing.T) {
	tr := newTree(t)
	id := tr.images(2, 5000)[0]
	must(t, tr.pool.Foreign().Snapshot(id, "s1"))
	must(t, tr.pool.Foreign().Snapshot(id, "s2"))
	for _, path := range [][]string{{".snap"}, {".snap", "vm000"}} {
		all := tr.opendir(tr.walk(path...).NodeId).all()
		for name, out := range all {
			if out.NodeId != 0 {
				t.Errorf("%s has attributes", name)
			}
		}
		if len(all) != 2 {
			t.Errorf("%v is listed as %v", path, all)
		}
	}
}

// A listing that goes on shows what this mount has changed meanwhile, and so does
// one that is repeated.
func TestListingShowsOwnChanges(t *testing.T) {
	for _, repeated := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tr := newTree(t)
			tr.images(40, 5000)
			d := tr.opendir(rootIno)
			d.page(1 << 15)
			if repeated {
				d.all()
				d = tr.opendir(rootIno)
			}
			synctest.Wait()
			file, _ := tr.lookup("vm020")
			fh, status := tr.open(file.NodeId, syscall.O_RDWR)
			tr.want("open", status, 0)
			tr.want("write", tr.write(file.NodeId, fh, 6000, "data"), 0)
			tr.release(file.NodeId, fh)
			var in fuse.SetAttrIn
			other, _ := tr.lookup("vm021")
			in.InHeader, in.Valid, in.Mode = header(other.NodeId), fuse.FATTR_MODE, 0o640
			tr.want("chmod", tr.raw.SetAttr(nil, &in, &fuse.AttrOut{}), 0)
			tr.want("unlink", tr.unlink("vm022"), 0)
			tr.want("rename", tr.rename("vm024", "vm023", 0), 0)
			all := d.all()
			if got := all["vm020"]; got.Size != 6004 {
				t.Errorf("%v: the file has %d bytes", repeated, got.Size)
			}
			if got := all["vm021"]; got.Mode&0o777 != 0o640 {
				t.Errorf("%v: the file has mode %o", repeated, got.Mode)
			}
			if got := all["vm022"]; !repeated && got.NodeId != 0 {
				t.Errorf("the removed file is listed as %+v", got)
			}
			now, _ := tr.lookup("vm023")
			if got := all["vm023"]; got.Ino != now.Ino {
				t.Errorf("%v: the renamed file is listed as %+v", repeated, got)
			}
		})
	}
}

// What a listing shows may be old, but not what is opened, nor what was looked at.
func TestForeignChangeBehindAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		ids := tr.images(40, 5000)
		old := tr.opendir(rootIno).all()["vm020"]
		must(t, tr.pool.Foreign().Resize(ids[20], 7000))
		time.Sleep(fresh - 10*time.Millisecond)
		repeated := tr.opendir(rootIno).all()["vm020"]
		if repeated.Size != 5000 || repeated.AttrTimeout() > brief {
			t.Errorf("the repeated listing shows %d bytes for %v", repeated.Size, repeated.AttrTimeout())
		}
		start := time.Now()
		fh, status := tr.open(old.NodeId, syscall.O_RDONLY)
		tr.want("open", status, 0)
		if took := time.Since(start); took < repeated.AttrTimeout() {
			t.Errorf("opened after %v, while the kernel believes the old size", took)
		}
		if attr, _ := tr.attr(old.NodeId); attr.Size != 7000 {
			t.Errorf("the open file has %d bytes", attr.Size)
		}
		tr.release(old.NodeId, fh)
		if again := tr.opendir(rootIno).all()["vm020"]; again.Size != 7000 {
			t.Errorf("the listing falls back to %d bytes", again.Size)
		}
	})
}

// While the cluster is away, a listing can be given up as a whole.
func TestListingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		tr.images(100, 5000)
		d := tr.opendir(rootIno)
		d.page(1 << 15)
		time.Sleep(listedFor)
		release := tr.pool.Block("StatMany")
		cancel := make(chan struct{})
		close(cancel)
		list := fuse.NewDirEntryList(make([]byte, 1<<15), d.off)
		in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: rootIno, Caller: fuse.Caller{Pid: 0}}, Fh: d.fh, Offset: d.off}
		start := time.Now()
		tr.raw.ReadDirPlus(cancel, &in, list)
		if took := time.Since(start); took > giveUpAge+giveUpCheck {
			t.Errorf("it took %v", took)
		}
		release()
	})
}
