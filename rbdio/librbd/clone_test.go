package librbd

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

// A clone has its snapshot's data, the pool's options and a life of its own.
func TestClone(t *testing.T) {
	p := newPool(t, func(c *Config) { c.ObjectSize, c.Features = 1<<20, []string{"exclusive-lock"} })
	const size = 9<<20 + 7
	id := create(t, p, "golden image", size, "")
	img := open(t, p, id)
	data := bytes.Repeat([]byte("gold"), size/8)
	must(t, img.WriteAt(data, 0))
	must(t, img.Flush())
	data = append(data, make([]byte, size-len(data))...)
	s := takeSnap(t, p, id, "v1")
	clone, err := p.CloneSnapshot(id, s.ID, "vm7")
	must(t, err)
	if now, err := p.Lookup("vm7"); err != nil || now != clone {
		t.Errorf("%q, %v", now, err)
	}
	d, err := p.Describe(clone)
	must(t, err)
	if d.Parent != p.cfg.Pool+"/golden image@v1" || d.ObjectSize != 1<<20 || !slices.Contains(d.Features, "layering") || slices.Contains(d.Features, "object-map") {
		t.Errorf("%+v", d)
	}
	if list := rbdCommand(t, "snap", "ls", p.cfg.Pool+"/golden image", "--format", "json"); !strings.Contains(list, `"protected":"false"`) {
		t.Error(list)
	}
	w := open(t, p, clone)
	compare(t, w, data)
	if e, err := w.Extents(0, size); err != nil || len(e) != 1 || e[0] != (rbdio.Extent{Off: 0, Len: 8 << 20}) {
		t.Errorf("extents %v, %v", e, err)
	}
	must(t, w.WriteAt([]byte("mine"), 100))
	must(t, w.Flush())
	compare(t, openSnap(t, p, id, s.ID), data)
	_, err = p.CloneSnapshot(id, s.ID, "vm7")
	wantErrno(t, err, syscall.EEXIST)
	_, err = p.CloneSnapshot(id, s.ID, "a@b")
	wantErrno(t, err, syscall.EINVAL)
	_, err = p.CloneSnapshot(id, s.ID+1000, "vm8")
	wantErrno(t, err, syscall.ENOENT)
	wantErrno(t, p.RemoveSnapshot(id, "v1"), syscall.EBUSY)
}

// openSnap opens a snapshot until the test ends.
func openSnap(t *testing.T, p *Pool, id string, snap uint64) rbdio.SnapshotImage {
	t.Helper()
	img, err := p.OpenSnapshot(id, snap)
	must(t, err)
	t.Cleanup(func() { must(t, img.Close()) })
	return img
}

// Where the cluster allows no other, a clone is of format 1, and its snapshot
// protected for it; not so when there is none in the end.
func TestCloneProtected(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "golden", 5<<20, "")
	takeSnap(t, p, id, "v1")
	s := p.current
	if errno := p.cloneProtected(s, "golden", "v1", "golden"); errno != syscall.EEXIST {
		t.Errorf("a clone of a name that is taken: %v", errno)
	}
	spec := p.cfg.Pool + "/golden"
	if list := rbdCommand(t, "snap", "ls", spec, "--format", "json"); !strings.Contains(list, `"protected":"false"`) {
		t.Error(list)
	}
	if errno := p.cloneProtected(s, "golden", "v1", "vm1"); errno != 0 {
		t.Error(errno)
	}
	if list := rbdCommand(t, "snap", "ls", spec, "--format", "json"); !strings.Contains(list, `"protected":"true"`) {
		t.Error(list)
	}
	wantErrno(t, p.RemoveSnapshot(id, "v1"), syscall.EBUSY)
	clone, err := p.Remove("vm1", epoch)
	must(t, err)
	wantErrno(t, p.RemoveSnapshot(id, "v1"), syscall.EBUSY) // in the trash it is one still
	must(t, p.Purge(clone, &rbdio.Progress{}))
	must(t, p.RemoveSnapshot(id, "v1"))
}

// What RBD cannot clone is refused in words, and leaves the snapshot unprotected.
func TestCloneRefused(t *testing.T) {
	p := newPool(t)
	for args, errno := range map[string]syscall.Errno{"0": syscall.EINVAL, "1M --image-feature exclusive-lock": syscall.EOPNOTSUPP} {
		name := "img" + args[:1]
		rbdCommand(t, append([]string{"create", p.cfg.Pool + "/" + name, "--size"}, strings.Fields(args)...)...)
		id, err := p.Lookup(name)
		must(t, err)
		_, err = p.CloneSnapshot(id, takeSnap(t, p, id, "s").ID, "vm")
		wantErrno(t, err, errno)
		if why := (*rbdio.Error)(nil); !errors.As(err, &why) || why.Why == "" {
			t.Errorf("no reason: %v", err)
		}
		if list := rbdCommand(t, "snap", "ls", p.cfg.Pool+"/"+name, "--format", "json"); !strings.Contains(list, `"protected":"false"`) {
			t.Error(list)
		}
	}
}

// rbd_default_clone_format is heeded where it is 1.
func TestCloneFormat(t *testing.T) {
	p := newPool(t)
	must(t, p.current.conn.SetConfigOption("rbd_default_clone_format", "1"))
	id := create(t, p, "golden", 5<<20, "")
	_, err := p.CloneSnapshot(id, takeSnap(t, p, id, "v1").ID, "vm")
	must(t, err)
	if list := rbdCommand(t, "snap", "ls", p.cfg.Pool+"/golden", "--format", "json"); !strings.Contains(list, `"protected":"true"`) {
		t.Error(list)
	}
	wantErrno(t, p.RemoveSnapshot(id, "v1"), syscall.EBUSY)
}

// An image whose only snapshot was removed, but has clones, says why it stays.
func TestRemoveWithARemovedSnapshot(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "golden", 5<<20, "")
	_, err := p.CloneSnapshot(id, takeSnap(t, p, id, "v1").ID, "vm")
	must(t, err)
	rbdCommand(t, "snap", "rm", p.cfg.Pool+"/golden@v1", "--no-progress")
	if list, err := p.ListSnapshots(id); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	_, err = p.Remove("golden", epoch)
	wantErrno(t, err, syscall.ENOTEMPTY)
	if !strings.Contains(err.Error(), "it has clones") {
		t.Error(err)
	}
}
