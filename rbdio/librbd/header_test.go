package librbd

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
	"rbdfs/tests/cluster"
)

func TestStat(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			name := strings.ReplaceAll(l.name, " ", "-")
			begin := time.Now()
			const size = 100<<20 + 1
			id := create(t, p, name, size, l.args)
			info, err := p.Stat(id)
			must(t, err)
			if info.Size != size || info.Created.Before(begin.Add(-time.Second)) || info.Created.After(time.Now().Add(time.Second)) {
				t.Errorf("%+v", info)
			}
			if !info.Modified.Equal(info.Created) || info.Modified.Nanosecond() == 0 {
				t.Errorf("created %v, modified %v", info.Created, info.Modified)
			}
			img, err := p.Open(id)
			must(t, err)
			must(t, img.WriteAt([]byte{1}, 50<<20))
			must(t, img.WriteAt([]byte{1}, size-1))
			must(t, img.Close())
			info, err = p.Stat(id)
			must(t, err)
			d, err := p.Describe(id)
			must(t, err)
			mapped := strings.Contains(strings.Join(d.Features, " "), "object-map")
			want := int64(rbdio.Unknown)
			switch {
			case mapped && d.StripeCount > 1:
				want = int64(2 * d.ObjectSize)
			case mapped:
				want = int64(d.ObjectSize) + int64(size%d.ObjectSize)
			}
			if info.Allocated != want {
				t.Errorf("%d bytes allocated, want %d", info.Allocated, want)
			}
		})
	}
	_, err := p.Stat("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
}

// Many headers at once say what each says alone, and of each what is wrong.
func TestStatMany(t *testing.T) {
	p := newPool(t)
	var entries []rbdio.Entry
	for i := range 20 {
		name := fmt.Sprint("img", i)
		id := create(t, p, name, uint64(i)<<20, layouts[i%8].args)
		if i%2 == 0 {
			name = "" // not to be checked
		}
		entries = append(entries, rbdio.Entry{Name: name, ID: id})
	}
	img := open(t, p, entries[19].ID)
	must(t, img.WriteAt([]byte{1}, 0))
	mode := uint32(0o640)
	must(t, p.SetAttr(entries[3].ID, rbdio.Attr{Mode: &mode}))
	must(t, p.Rename("img5", "other"))
	entries = append(entries, rbdio.Entry{ID: "0123456789ab"}, rbdio.Entry{Name: "none", ID: entries[0].ID})
	for i, a := range p.StatMany(entries) {
		if i == 5 || i >= 20 {
			wantErrno(t, a.Err, syscall.ENOENT)
			continue
		}
		must(t, a.Err)
		if one, err := p.Stat(entries[i].ID); err != nil || !reflect.DeepEqual(one, a.Info) {
			t.Errorf("image %d: %+v, alone %+v, %v", i, a.Info, one, err)
		}
	}
	if got := p.StatMany(nil); len(got) != 0 {
		t.Errorf("%d answers to nothing", len(got))
	}
}

// Attributes are kept without opening the image, so without its watcher and its
// lock, and only those given change.
func TestSetAttr(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	id := create(t, p, "img", 1<<20, "")
	img := open(t, q, id)
	must(t, img.WriteAt([]byte{1}, 0))
	set := func(attr rbdio.Attr) rbdio.Info {
		t.Helper()
		must(t, p.SetAttr(id, attr))
		info, err := q.Stat(id)
		must(t, err)
		return info
	}
	created := set(rbdio.Attr{})
	if created.Attr != (rbdio.Attr{}) {
		t.Errorf("%+v", created.Attr)
	}
	mode, uid, gid := uint32(0o751), uint32(0), uint32(math.MaxUint32)
	at, modified := time.Unix(1234, 5), time.Date(2100, 1, 1, 0, 0, 0, 999999999, time.UTC)
	info := set(rbdio.Attr{Mode: &mode, Changed: &at, Modified: &modified})
	if *info.Attr.Mode != mode || !info.Attr.Changed.Equal(at) || !info.Modified.Equal(modified) || !info.Accessed.Equal(created.Accessed) {
		t.Errorf("%+v", info)
	}
	info = set(rbdio.Attr{UID: &uid, GID: &gid, Accessed: &at})
	if a := info.Attr; *a.Mode != mode || *a.UID != uid || *a.GID != gid || !a.Changed.Equal(at) {
		t.Errorf("%+v", a)
	}
	if !info.Accessed.Equal(at) || !info.Modified.Equal(modified) || !info.Created.Equal(created.Created) {
		t.Errorf("%+v", info)
	}
	if alone, err := img.ownsLock(); !alone || err != nil {
		t.Errorf("the lock is lost: %v", err)
	}
	if out := rbdCommand(t, "info", p.cfg.Pool+"/img"); !strings.Contains(out, "modify_timestamp: Fri Jan  1") {
		t.Error(out)
	}
}

// Attributes of what is not there, or may not be written, are not set.
func TestSetAttrRefused(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	mode, at := uint32(0o640), time.Unix(1234, 5)
	must(t, p.SetAttr(id, rbdio.Attr{Mode: &mode}))
	wantErrno(t, p.SetAttr("0123456789ab", rbdio.Attr{Mode: &mode}), syscall.ENOENT)
	wantErrno(t, p.SetAttr("0123456789ab", rbdio.Attr{Modified: &at}), syscall.ENOENT)
	_, err := p.Stat("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
	r := connect(t, p.cfg.Pool, func(c *Config) { c.Name = cluster.RBDReadOnly })
	wantErrno(t, r.SetAttr(id, rbdio.Attr{Mode: &mode}), syscall.EPERM)
	wantErrno(t, r.SetAttr(id, rbdio.Attr{Modified: &at}), syscall.EPERM)
	if info, err := r.Stat(id); err != nil || *info.Attr.Mode != mode {
		t.Errorf("%+v, %v", info, err)
	}
}

// What others have put under our keys does no harm.
func TestStatOfNonsense(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	for _, kv := range [][]string{{"mode", "rwx"}, {"uid", "-1"}, {"gid", "99999999999"}, {"ctime", "soon"}, {"other", "x"}} {
		rbdCommand(t, "image-meta", "set", p.cfg.Pool+"/img", "--", "rbdfs."+kv[0], kv[1])
	}
	info, err := p.Stat(id)
	must(t, err)
	if info.Attr != (rbdio.Attr{}) {
		t.Errorf("%+v", info.Attr)
	}
	rbdCommand(t, "image-meta", "set", p.cfg.Pool+"/img", "rbdfs.mode", "7777")
	if info, err = p.Stat(id); err != nil || info.Attr.Mode != nil {
		t.Errorf("%+v, %v", info.Attr, err)
	}
}
