package librbd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ceph/go-ceph/rados"

	"rbdfs/rbdio"
	"rbdfs/tests/cluster"
)

// newGroup makes a group of images, named as the rbd command does, and returns its
// id.
func newGroup(t *testing.T, p *Pool, name string, images ...string) string {
	t.Helper()
	rbdCommand(t, "group", "create", p.cfg.Pool+"/"+name)
	for _, image := range images {
		rbdCommand(t, "group", "image", "add", p.cfg.Pool+"/"+name, image)
	}
	list, err := p.ListGroups()
	must(t, err)
	for _, e := range list {
		if e.Name == name {
			return e.ID
		}
	}
	t.Fatalf("group %q is not among %v", name, list)
	return ""
}

// takeGroupSnap makes a group snapshot and returns it.
func takeGroupSnap(t *testing.T, p *Pool, group, name string) rbdio.GroupSnapshot {
	t.Helper()
	must(t, p.CreateGroupSnapshot(group, name))
	list, err := p.ListGroupSnapshots(group)
	must(t, err)
	for _, g := range list {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("group snapshot %q is not among %+v", name, list)
	return rbdio.GroupSnapshot{}
}

// fill makes an image that holds one byte throughout.
func fill(t *testing.T, p *Pool, name string, with byte) (id string) {
	t.Helper()
	id = create(t, p, name, 1<<20, "")
	img := open(t, p, id)
	must(t, img.WriteAt(bytes.Repeat([]byte{with}, 1<<20), 0))
	must(t, img.Flush())
	return id
}

// A group snapshot has its members of then, also those of another pool, and its
// verbs do what the rbd command says they do.
func TestGroupSnapshot(t *testing.T) {
	p := newPool(t)
	q := connect(t, ceph.Pool(t))
	a, b, c := fill(t, p, "a", 1), fill(t, p, "b", 2), fill(t, q, "a", 3)
	group := newGroup(t, p, "g", p.cfg.Pool+"/a", p.cfg.Pool+"/b", q.cfg.Pool+"/a")
	if list, err := p.ListGroupSnapshots(group); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	images, err := p.ListGroupImages(group)
	if err != nil || len(images) != 2 || images[0] == images[1] || images[0] != a && images[0] != b {
		t.Errorf("%v, %v", images, err)
	}
	mode := uint32(0o640)
	must(t, p.SetAttr(a, rbdio.Attr{Mode: &mode}))
	begin := time.Now()
	s := takeGroupSnap(t, p, group, "s")
	if len(s.Members) != 3 || s.Time.Before(begin.Add(-time.Second)) || s.Time.After(time.Now()) {
		t.Errorf("%+v", s)
	}
	for id, pool := range map[string]*Pool{a: p, b: p, c: q} {
		img := open(t, pool, id)
		must(t, img.WriteAt(make([]byte, 1<<20), 0))
		must(t, img.Flush())
	}
	rbdCommand(t, "group", "image", "rm", p.cfg.Pool+"/g", p.cfg.Pool+"/b")
	names, err := p.MemberNames(s.Members)
	must(t, err)
	for i, m := range s.Members {
		info, err := p.StatMember(m)
		must(t, err)
		img, err := p.OpenMember(m)
		must(t, err)
		with, name := byte(1), "a"
		switch {
		case m.PoolID != 0:
			with, name = 3, q.cfg.Pool+"/a"
		case m.ImageID == b:
			with, name = 2, "b"
		case info.Attr.Mode == nil || *info.Attr.Mode != mode:
			t.Errorf("the mode is not kept: %+v", info)
		}
		compare(t, img, bytes.Repeat([]byte{with}, 1<<20))
		must(t, img.Close())
		if names[i] != name || info.Size != 1<<20 || info.Modified.Before(begin.Add(-time.Second)) || info.Modified != info.Accessed {
			t.Errorf("%q, want %q: %+v", names[i], name, info)
		}
		_, err = p.StatSnapshot(m.ImageID, m.SnapID)
		wantErrno(t, err, syscall.ENOENT)
	}
	if kept, err := p.ListSnapshots(a); err != nil || len(kept) > 0 {
		t.Errorf("%+v, %v", kept, err)
	}
	wantErrno(t, p.CreateGroupSnapshot(group, "s"), syscall.EEXIST)
	next := takeGroupSnap(t, p, group, "next")
	if len(next.Members) != 2 {
		t.Errorf("%+v", next)
	}
	wantErrno(t, p.RenameGroupSnapshot(group, "s", "next"), syscall.EEXIST)
	wantErrno(t, p.RenameGroupSnapshot(group, "none", "x"), syscall.ENOENT)
	must(t, p.RenameGroupSnapshot(group, "s", "t"))
	if ls := rbdCommand(t, "group", "snap", "ls", p.cfg.Pool+"/g"); !strings.Contains(ls, "t ") || strings.Contains(ls, "s ") {
		t.Error(ls)
	}
	must(t, p.RemoveGroupSnapshot(group, "t"))
	list, err := p.ListGroupSnapshots(group)
	if err != nil || len(list) != 1 || list[0].ID != next.ID {
		t.Errorf("%+v, %v", list, err)
	}
	wantErrno(t, p.RemoveGroupSnapshot(group, "t"), syscall.ENOENT)
}

// Names, errors, and what cephx forbids.
func TestGroupRefusals(t *testing.T) {
	p := newPool(t)
	fill(t, p, "a", 1)
	if list, err := p.ListGroups(); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	group := newGroup(t, p, "g", p.cfg.Pool+"/a")
	empty := newGroup(t, p, "empty")
	for _, name := range []string{"", "x@y", "x/y"} {
		wantErrno(t, p.CreateGroupSnapshot(group, name), syscall.EINVAL)
		wantErrno(t, p.RenameGroupSnapshot(group, "s", name), syscall.EINVAL)
	}
	_, err := p.ListGroupSnapshots("none")
	wantErrno(t, err, syscall.ENOENT)
	_, err = p.ListGroupImages("none")
	wantErrno(t, err, syscall.ENOENT)
	for _, err := range []error{p.CreateGroupSnapshot("none", "s"), p.RemoveGroupSnapshot("none", "s"), p.RenameGroupSnapshot("none", "s", "t")} {
		wantErrno(t, err, syscall.ENOENT)
	}
	if s := takeGroupSnap(t, p, empty, "s"); len(s.Members) > 0 || !s.Time.IsZero() {
		t.Errorf("%+v", s)
	}
	s := takeGroupSnap(t, p, group, "s")
	r := connect(t, p.cfg.Pool, func(c *Config) { c.Name = "client.rbdro" })
	wantErrno(t, r.CreateGroupSnapshot(group, "t"), syscall.EPERM)
	wantErrno(t, r.RemoveGroupSnapshot(group, "s"), syscall.EPERM)
	wantErrno(t, r.RenameGroupSnapshot(group, "s", "t"), syscall.EPERM)
	if info, err := r.StatMember(s.Members[0]); err != nil || info.Size != 1<<20 {
		t.Errorf("%+v, %v", info, err)
	}
	gone := s.Members[0]
	gone.PoolID = 1 << 40
	_, err = p.StatMember(gone)
	wantErrno(t, err, syscall.ENOENT)
	if names, err := p.MemberNames([]rbdio.Member{gone}); err != nil || names[0] != gone.ImageKey() {
		t.Errorf("%q, %v", names, err)
	}
}

// A group snapshot whose creation was cut off is not shown, and is said to be in
// the way.
func TestIncompleteGroupSnapshot(t *testing.T) {
	p := newPool(t)
	group := newGroup(t, p, "g")
	cut := groupSnap{GroupSnapshot: rbdio.GroupSnapshot{ID: "cut", Name: "s"}}
	steps := []step{{method: "group_snap_set", in: cut.encode(new(encoder)).b}}
	if errno := writeSteps(p.current.io, groupObject(group), steps); errno != 0 {
		t.Fatal(errno)
	}
	if ls := rbdCommand(t, "group", "snap", "ls", p.cfg.Pool+"/g"); !strings.Contains(ls, "incomplete") {
		t.Error(ls)
	}
	if list, err := p.ListGroupSnapshots(group); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
	err := p.CreateGroupSnapshot(group, "s")
	wantErrno(t, err, syscall.EEXIST)
	if !strings.Contains(err.Error(), "rbd group snap rm") {
		t.Error(err)
	}
	rbdCommand(t, "group", "snap", "rm", p.cfg.Pool+"/g@s")
	takeGroupSnap(t, p, group, "s")
}

// A part that librbd has left of a removed group snapshot goes, also while the
// image is open.
func TestPartOfARemovedGroupSnapshot(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "a", 1<<20, "")
	group := newGroup(t, p, "g", p.cfg.Pool+"/a")
	img := open(t, p, id)
	must(t, img.WriteAt([]byte("x"), 0))
	stays, lost := takeGroupSnap(t, p, group, "stays"), takeGroupSnap(t, p, group, "lost")
	must(t, img.WriteAt([]byte("y"), 0)) // it has the exclusive lock again
	removed := rados.CreateWriteOp()
	defer removed.Release()
	removed.RmOmapKeys([]string{"snapshot_" + lost.ID})
	must(t, removed.Operate(p.current.io, groupObject(group), rados.OperationNoFlag))
	for range 2 { // the second time there is none
		must(t, p.current.dropPart(lost.Members[0]))
		ids, err := p.current.snapIDs(id, "list")
		if err != nil || len(ids) != 1 || ids[0] != stays.Members[0].SnapID {
			t.Errorf("%d, %v, want what stays, %+v", ids, err, stays)
		}
	}
}

// A group in a namespace has members of the namespace of the same name in other
// pools.
func TestGroupInANamespace(t *testing.T) {
	inNamespace := func(c *Config) { c.Namespace = "ns" }
	pools := [2]string{ceph.Pool(t), ceph.Pool(t)}
	var specs []string
	for i, pool := range pools {
		rbdCommand(t, "namespace", "create", pool+"/ns")
		specs = append(specs, fmt.Sprintf("%s/ns/%d", pool, i))
		rbdCommand(t, "create", specs[i], "--size", "1M")
	}
	p := connect(t, pools[0], inNamespace)
	rbdCommand(t, "group", "create", pools[0]+"/ns/g")
	for _, spec := range specs {
		rbdCommand(t, "group", "image", "add", pools[0]+"/ns/g", spec)
	}
	groups, err := p.ListGroups()
	if err != nil || len(groups) != 1 || groups[0].Name != "g" {
		t.Fatalf("%+v, %v", groups, err)
	}
	s := takeGroupSnap(t, p, groups[0].ID, "s")
	names, err := p.MemberNames(s.Members)
	must(t, err)
	slices.Sort(names)
	want := []string{"0", pools[1] + "/1"}
	if slices.Sort(want); !slices.Equal(names, want) {
		t.Errorf("the members are %q, want %q", names, want)
	}
	for _, m := range s.Members {
		if info, err := p.StatMember(m); err != nil || info.Size != 1<<20 {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

// One mount at a time takes a snapshot of a group.
func TestGroupLock(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	group := newGroup(t, p, "g")
	unlock, err := p.current.lockGroup(group, "lock")
	must(t, err)
	if ret, err := q.current.io.LockExclusive(groupObject(group), groupLockName, "x", "", 0, nil); err != nil || ret != -int(syscall.EBUSY) {
		t.Errorf("the lock that is held answers %d, %v", ret, err)
	}
	unlock()
	unlock, err = q.current.lockGroup(group, "lock")
	must(t, err)
	unlock()
	_, err = connect(t, p.cfg.Pool, func(c *Config) { c.Name = "client.rbdro" }).current.lockGroup(group, "lock")
	wantErrno(t, err, syscall.EPERM)
}

// A member of a pool that may not be read is named by its id, and refused.
func TestGroupMemberOutOfReach(t *testing.T) {
	p := newPool(t)
	other := connect(t, ceph.Pool(t))
	fill(t, p, "a", 1)
	id := fill(t, other, "b", 2)
	group := newGroup(t, p, "g", other.cfg.Pool+"/b", p.cfg.Pool+"/a")
	takeGroupSnap(t, p, group, "s")
	user, err := ceph.CreateUser(t.Context(), cluster.ReadWriteCaps("pool="+p.cfg.Pool)...)
	must(t, err)
	u := connect(t, p.cfg.Pool, func(c *Config) { c.Name = user })
	list, err := u.ListGroupSnapshots(group)
	must(t, err)
	if len(list) != 1 || list[0].Time.IsZero() {
		t.Fatalf("%+v", list)
	}
	names, err := u.MemberNames(list[0].Members)
	must(t, err)
	for i, m := range list[0].Members {
		_, statErr := u.StatMember(m)
		_, openErr := u.OpenMember(m)
		if m.PoolID == 0 {
			must(t, errors.Join(statErr, openErr))
			continue
		}
		wantErrno(t, statErr, syscall.EACCES)
		wantErrno(t, openErr, syscall.EACCES)
		if names[i] != other.cfg.Pool+"/"+id {
			t.Errorf("it is called %q", names[i])
		}
	}
	wantErrno(t, u.CreateGroupSnapshot(group, "t"), syscall.EPERM)
	if ls := rbdCommand(t, "group", "snap", "ls", p.cfg.Pool+"/g"); strings.Contains(ls, "t ") {
		t.Error(ls)
	}
}

// What is open of a group snapshot that somebody removes answers errors.
func TestGroupSnapshotRemovedWhileOpen(t *testing.T) {
	p := newPool(t)
	id := fill(t, p, "a", 1)
	group := newGroup(t, p, "g", p.cfg.Pool+"/a")
	s := takeGroupSnap(t, p, group, "s")
	img := open(t, p, id)
	must(t, img.WriteAt(make([]byte, 1<<20), 0))
	must(t, img.Flush())
	member, err := p.OpenMember(s.Members[0])
	must(t, err)
	defer member.Close()
	compare(t, member, bytes.Repeat([]byte{1}, 1<<20))
	rbdCommand(t, "group", "snap", "rm", p.cfg.Pool+"/g@s")
	_, err = member.ReadAt(make([]byte, 10), 0)
	wantErrno(t, err, syscall.ESTALE)
	_, err = member.Extents(0, 1<<20)
	wantErrno(t, err, syscall.ESTALE)
	_, err = p.StatMember(s.Members[0])
	wantErrno(t, err, syscall.ENOENT)
	_, err = p.OpenMember(s.Members[0])
	wantErrno(t, err, syscall.ENOENT)
}

// An image whose lock is kept cannot be in a group snapshot.
func TestGroupSnapshotOfAKeptLock(t *testing.T) {
	p := newPool(t, func(c *Config) { c.Exclusive = true })
	id := create(t, p, "a", 1<<20, "")
	group := newGroup(t, p, "g", p.cfg.Pool+"/a")
	img := open(t, p, id)
	wantErrno(t, p.CreateGroupSnapshot(group, "s"), syscall.EBUSY)
	if list, err := p.ListGroupSnapshots(group); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
	must(t, img.WriteAt([]byte("data"), 0))
	must(t, img.Close())
	takeGroupSnap(t, p, group, "s")
}

// What ends too early is not understood.
func TestGroupEncodings(t *testing.T) {
	g := groupSnap{GroupSnapshot: rbdio.GroupSnapshot{ID: "id", Name: "name"}}
	b := g.encode(new(encoder).u32(1)).b
	if list, ok := decodeGroupSnaps(b); !ok || len(list) != 1 || list[0].ID != "id" || list[0].Name != "name" || list[0].complete {
		t.Errorf("%+v, %v", list, ok)
	}
	for n := range b {
		if _, ok := decodeGroupSnaps(b[:n]); ok {
			t.Errorf("%d of %d bytes are understood", n, len(b))
		}
		if _, ok := decodeGroupImages(b[:n]); ok {
			t.Errorf("%d of %d bytes are understood as images", n, len(b))
		}
	}
}
