package librbd

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio"
	"rbdfs/tests/cluster"
)

// Names of every kind are listed, in order, with the ids that they stand for.
func TestList(t *testing.T) {
	p := newPool(t)
	names := []string{"a b", ".hidden", "%41", "ünïcode", "back\\slash", "new\nline", "\xff\xfe", strings.Repeat("n", 255)}
	for i := range 30 {
		names = append(names, fmt.Sprintf("vm%02d", i))
	}
	want := map[string]string{}
	for _, name := range names {
		id, err := p.Create(name)
		must(t, err)
		want[name] = id
	}
	list, err := p.List()
	must(t, err)
	if len(list) != len(want) {
		t.Errorf("%d entries, want %d", len(list), len(want))
	}
	if !slices.IsSortedFunc(list, func(a, b rbdio.Entry) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not in order")
	}
	for _, e := range list {
		if id, err := p.Lookup(e.Name); err != nil || id != e.ID || id != want[e.Name] {
			t.Errorf("%q: %q in the list, %q by name, %v; created as %q", e.Name, e.ID, id, err, want[e.Name])
		}
	}
}

// A directory of more than one page is listed in whole.
func TestListPages(t *testing.T) {
	p := newPool(t)
	const n = 2*pageSize + 5
	var steps []step
	for i := range n {
		in := new(encoder).str(fmt.Sprintf("vm%05d", i)).str(fmt.Sprintf("%x", i+1)).b
		steps = append(steps, step{method: "dir_add_image", in: in})
	}
	if _, err := p.Create("vm"); err != nil { // makes the directory
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(steps, 16) {
		if errno := writeSteps(p.current.io, directoryObject, chunk); errno != 0 {
			t.Fatal(errno)
		}
	}
	list, err := p.List()
	must(t, err)
	if len(list) != n+1 || list[n].Name != fmt.Sprintf("vm%05d", n-1) || list[n].ID != fmt.Sprintf("%x", n) {
		t.Errorf("%d entries, want %d, the last %v", len(list), n+1, list[len(list)-1])
	}
}

// An image of format 1 has no id: it is not there, but in the log. This release
// makes none any more, so one is made of its directory entry and its header.
func TestFormat1(t *testing.T) {
	p := newPool(t)
	_, err := p.Create("new")
	must(t, err)
	must(t, p.current.io.WriteFull(directoryObject, new(encoder).str("").strings(map[string]string{"old": "", "gone": ""}).b))
	must(t, p.current.io.WriteFull("old.rbd", make([]byte, 200)))
	var log bytes.Buffer
	q := connect(t, p.cfg.Pool, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	list, err := q.List()
	must(t, err)
	if len(list) != 1 || list[0].Name != "new" {
		t.Error(list)
	}
	_, err = q.Lookup("old")
	wantErrno(t, err, syscall.ENOENT)
	if s := log.String(); !strings.Contains(s, "image=old") || strings.Contains(s, "image=gone") {
		t.Errorf("the log says %q", s)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool, func(c *Config) {
		c.ObjectSize, c.DataPool = 64<<10, pool+"-ec"
		c.Features = []string{"layering", "exclusive-lock", "journaling"}
	})
	id, err := p.Create("vm1")
	must(t, err)
	d, err := p.Describe(id)
	must(t, err)
	if want := []string{"layering", "exclusive-lock", "journaling", "data-pool"}; !slices.Equal(d.Features, want) {
		t.Errorf("features %v, want %v", d.Features, want)
	}
	if d.ObjectSize != 64<<10 || d.DataPool != pool+"-ec" || d.StripeCount != 1 || d.Parent != "" || len(d.Watchers) != 0 {
		t.Errorf("%+v", d)
	}
	info, err := p.Stat(id)
	must(t, err)
	if info.Size != 0 || info.Allocated != 0 || info.ObjectSize != 64<<10 {
		t.Errorf("%+v", info)
	}
	_, err = p.Create("vm1")
	wantErrno(t, err, syscall.EEXIST)
	for _, name := range []string{"", "a@b", "a/b", "@", "/"} {
		_, err = p.Create(name)
		wantErrno(t, err, syscall.EINVAL)
		wantErrno(t, p.Rename("vm1", name), syscall.EINVAL)
	}
	q := connect(t, pool, func(c *Config) { c.Name = cluster.RBDReadOnly })
	_, err = q.Create("vm2")
	t.Log(err)
	wantErrno(t, err, syscall.EPERM)
	wantErrno(t, q.Rename("vm1", "vm2"), syscall.EPERM)
	_, err = q.Lookup("vm2")
	wantErrno(t, err, syscall.ENOENT)
}

// Renaming keeps the id, replaces nothing, and works while the image is open here
// or elsewhere.
func TestRename(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	id, err := p.Create("a")
	must(t, err)
	_, err = p.Create("b")
	must(t, err)
	wantErrno(t, p.Rename("a", "b"), syscall.EEXIST)
	wantErrno(t, p.Rename("none", "c"), syscall.ENOENT)
	wantErrno(t, p.Rename("none", "b"), syscall.ENOENT)
	if err := p.Rename("a", "a"); err != nil {
		t.Log("to itself:", err)
	}
	here, there := open(t, p, id), open(t, q, id)
	must(t, here.Resize(1<<20))
	for i, from := range []string{"a", "c", "d"} {
		to := string(rune('c' + i))
		must(t, p.Rename(from, to))
		got, err := q.Lookup(to)
		must(t, err)
		if got != id {
			t.Errorf("%q is %q now, and was %q", to, got, id)
		}
		_, err = q.Lookup(from)
		wantErrno(t, err, syscall.ENOENT)
		for _, img := range []*image{here, there} {
			must(t, img.WriteAt([]byte{byte(i)}, 0))
			must(t, img.Flush())
		}
	}
	list, err := p.List()
	must(t, err)
	if len(list) != 2 || list[0].Name != "b" || list[1] != (rbdio.Entry{Name: "e", ID: id}) {
		t.Error(list)
	}
}

// A namespace is a pool of its own, also for a user who may not leave it.
func TestNamespace(t *testing.T) {
	inside := connect(t, cluster.DefaultPool, func(c *Config) { c.Name, c.Namespace = cluster.RBDNamespace, cluster.Namespace })
	outside := connect(t, cluster.DefaultPool)
	name := "ns-" + strings.ToLower(t.Name())
	id, err := inside.Create(name)
	must(t, err)
	defer func() {
		_, err := inside.Remove(name, epoch)
		must(t, err)
		must(t, inside.Purge(id, &rbdio.Progress{}))
	}()
	_, err = outside.Lookup(name)
	wantErrno(t, err, syscall.ENOENT)
	_, err = outside.Stat(id)
	wantErrno(t, err, syscall.ENOENT)
	if inside.Key() == outside.Key() || !strings.HasSuffix(inside.Key(), "/"+cluster.Namespace) {
		t.Errorf("keys %q and %q", inside.Key(), outside.Key())
	}
	again := connect(t, cluster.DefaultPool, func(c *Config) { c.Namespace = cluster.Namespace })
	if again.Key() != inside.Key() {
		t.Errorf("keys %q and %q", inside.Key(), again.Key())
	}
	img, err := inside.Open(id)
	must(t, err)
	must(t, img.Resize(10<<20))
	data := bytes.Repeat([]byte{1}, 100)
	must(t, img.WriteAt(data, 5<<20))
	must(t, img.Close())
	reader, err := again.OpenReadOnly(id)
	must(t, err)
	compare(t, reader, slices.Concat(make([]byte, 5<<20), data, make([]byte, 5<<20-100)))
	must(t, reader.Close())
	info, err := inside.Stat(id)
	must(t, err)
	if info.Allocated != 4<<20 {
		t.Errorf("%+v", info)
	}
	if _, err := inside.Usage(); err != nil {
		t.Error(err)
	}
}
