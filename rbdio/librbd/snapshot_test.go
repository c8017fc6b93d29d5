package librbd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// snapNamed finds a snapshot by its name.
func snapNamed(t *testing.T, p *Pool, id, name string) (rbdio.Snapshot, bool) {
	t.Helper()
	list, err := p.ListSnapshots(id)
	must(t, err)
	for _, s := range list {
		if s.Name == name {
			return s, true
		}
	}
	return rbdio.Snapshot{}, false
}

// takeSnap makes a snapshot and returns it.
func takeSnap(t *testing.T, p *Pool, id, name string) rbdio.Snapshot {
	t.Helper()
	must(t, p.CreateSnapshot(id, name))
	snap, ok := snapNamed(t, p, id, name)
	if !ok {
		t.Fatalf("snapshot %q is not listed", name)
	}
	return snap
}

// Only what users made is listed, by whatever tool, and its numbers are those of
// the rbd command.
func TestSnapshotList(t *testing.T) {
	p := newPool(t)
	spec := p.cfg.Pool + "/img"
	id := create(t, p, "img", 5<<20, "")
	if list, err := p.ListSnapshots(id); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	begin := time.Now()
	a := takeSnap(t, p, id, "a")
	rbdCommand(t, "snap", "create", spec+"@b c", "--no-progress")
	rbdCommand(t, "snap", "protect", spec+"@b c")
	rbdCommand(t, "resize", spec, "--size", "9M", "--no-progress")
	c := takeSnap(t, p, id, "c")
	if a.Size != 5<<20 || c.Size != 9<<20 || c.ID <= a.ID || a.Time.Before(begin.Add(-time.Second)) || a.Time.After(time.Now()) {
		t.Errorf("%+v, %+v", a, c)
	}
	rbdCommand(t, "group", "create", p.cfg.Pool+"/g")
	rbdCommand(t, "group", "image", "add", p.cfg.Pool+"/g", spec)
	rbdCommand(t, "group", "snap", "create", p.cfg.Pool+"/g@gs")
	list, err := p.ListSnapshots(id)
	must(t, err)
	if len(list) != 3 || list[0] != a || list[1].Name != "b c" || list[2] != c {
		t.Errorf("%+v", list)
	}
	info, err := p.StatSnapshot(id, a.ID)
	must(t, err)
	if info.Size != 5<<20 || !info.Modified.Equal(a.Time) || !info.Accessed.Equal(a.Time) || info.Allocated != 0 {
		t.Errorf("%+v, want the time %v", info, a.Time)
	}
	for _, name := range []string{"", "x@y", "x/y"} {
		wantErrno(t, p.CreateSnapshot(id, name), syscall.EINVAL)
		wantErrno(t, p.RenameSnapshot(id, "a", name), syscall.EINVAL)
	}
	wantErrno(t, p.CreateSnapshot(id, "a"), syscall.EEXIST)
	wantErrno(t, p.RenameSnapshot(id, "a", "c"), syscall.EEXIST)
	wantErrno(t, p.RenameSnapshot(id, "none", "d"), syscall.ENOENT)
	must(t, p.RenameSnapshot(id, "a", "d"))
	if d, ok := snapNamed(t, p, id, "d"); !ok || d.ID != a.ID {
		t.Errorf("%+v", d)
	}
	_, err = p.ListSnapshots("none")
	wantErrno(t, err, syscall.ENOENT)
	_, err = p.StatSnapshot(id, 1<<40)
	wantErrno(t, err, syscall.ENOENT)
	_, err = p.OpenSnapshot(id, 1<<40)
	wantErrno(t, err, syscall.ENOENT)
	r := connect(t, p.cfg.Pool, func(c *Config) { c.Name = "client.rbdro" })
	wantErrno(t, r.CreateSnapshot(id, "e"), syscall.EPERM)
	wantErrno(t, r.RemoveSnapshot(id, "d"), syscall.EPERM)
}

// The mode and owner are those of the moment, unless another tool took the snapshot.
func TestSnapshotAttr(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	kept := func(mode, uid uint32) rbdio.Attr { return rbdio.Attr{Mode: &mode, UID: &uid} }
	plain := takeSnap(t, p, id, "plain")
	must(t, p.SetAttr(id, kept(0o640, 7)))
	ours := takeSnap(t, p, id, "ours")
	rbdCommand(t, "snap", "create", p.cfg.Pool+"/img@theirs", "--no-progress")
	theirs, _ := snapNamed(t, p, id, "theirs")
	must(t, p.SetAttr(id, kept(0o600, 8)))
	wantAttr := func(snap uint64, want string) {
		t.Helper()
		info, err := p.StatSnapshot(id, snap)
		must(t, err)
		if got := formatSnapAttr(id, info.Attr); got != id+" "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	wantAttr(plain.ID, "- - -")
	wantAttr(ours.ID, "0640 7 -")
	wantAttr(theirs.ID, "0600 8 -")
	must(t, p.RenameSnapshot(id, "ours", "renamed"))
	wantAttr(ours.ID, "0640 7 -")
	if m, err := p.Metadata(id); err != nil || len(m) > 0 {
		t.Errorf("metadata %v, %v", m, err)
	}
	must(t, p.RemoveSnapshot(id, "renamed"))
	if _, ok := p.current.snapAttr(id, ours.ID); ok {
		t.Error("the attributes of a removed snapshot are kept")
	}
	if _, ok := parseSnapAttr("other", formatSnapAttr(id, rbdio.Attr{})); ok {
		t.Error("another image's attributes are believed")
	}
}

// A snapshot that has clones stays, and one that is protected goes all the same.
func TestSnapshotRemove(t *testing.T) {
	p := newPool(t)
	spec := p.cfg.Pool + "/img"
	id := create(t, p, "img", 5<<20, "")
	wantErrno(t, p.RemoveSnapshot(id, "none"), syscall.ENOENT)
	for _, format := range []string{"1", "2"} {
		must(t, p.CreateSnapshot(id, "s"))
		rbdCommand(t, "snap", "protect", spec+"@s")
		rbdCommand(t, "clone", spec+"@s", p.cfg.Pool+"/child", "--rbd-default-clone-format", format)
		err := p.RemoveSnapshot(id, "s")
		wantErrno(t, err, syscall.EBUSY)
		if !strings.Contains(err.Error(), p.cfg.Pool+"/child") {
			t.Error(err)
		}
		if _, ok := snapNamed(t, p, id, "s"); !ok {
			t.Error("the snapshot is gone")
		}
		rbdCommand(t, "rm", p.cfg.Pool+"/child", "--no-progress")
		must(t, p.RemoveSnapshot(id, "s"))
		if _, ok := snapNamed(t, p, id, "s"); ok {
			t.Error("the snapshot is still there")
		}
	}
}

// What is open of a snapshot that somebody removes answers errors: never zeros,
// never the data of now.
func TestSnapshotRemovedWhileOpen(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 8<<20, "--object-size 64K")
	img := open(t, p, id)
	old := bytes.Repeat([]byte{1}, 8<<20)
	must(t, img.WriteAt(old, 0))
	must(t, img.Flush())
	s := takeSnap(t, p, id, "s")
	must(t, img.WriteAt(bytes.Repeat([]byte{2}, 4<<20), 0))
	must(t, img.Flush())
	open, err := p.OpenSnapshot(id, s.ID)
	must(t, err)
	defer open.Close()
	compare(t, open, old)
	done := make(chan error)
	go func() { done <- p.RemoveSnapshot(id, "s") }()
	fresh := make([]byte, 64<<10)
	for i, end := 0, time.Now().Add(3*time.Second); time.Now().Before(end); i++ {
		off := i % 128 * len(fresh)
		_, err := open.ReadAt(fresh, uint64(off))
		if err != nil {
			wantErrno(t, err, syscall.ESTALE)
			break
		}
		if !bytes.Equal(fresh, old[off:off+len(fresh)]) {
			t.Fatal("the snapshot has other data")
		}
	}
	must(t, <-done)
	_, err = open.ReadAt(fresh, 0)
	wantErrno(t, err, syscall.ESTALE)
	_, err = open.Extents(0, 8<<20)
	wantErrno(t, err, syscall.ESTALE)
}

// Snapshots of every kind of image hold what the image held, and their extents
// hide nothing.
func TestSnapshotModel(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Log("seed", seed)
			name := strings.ReplaceAll(l.name, " ", "-")
			snapshotModel(t, p, create(t, p, name, 3<<20, l.args), rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func snapshotModel(t *testing.T, p *Pool, id string, r *rand.Rand) {
	const room = 12 << 20
	img := open(t, p, id)
	now := make([]byte, 3<<20)
	var snaps []rbdio.Snapshot
	var then [][]byte
	for n := range 6 {
		for range 6 {
			off := r.IntN(len(now))
			length := r.IntN(min(len(now)-off, 2<<20)) + 1
			switch r.IntN(4) {
			case 0:
				must(t, img.WriteZeroes(uint64(off), uint64(length)))
				clear(now[off : off+length])
			case 1:
				size := r.IntN(room) + 1
				must(t, img.Resize(uint64(size)))
				now = append(now[:min(size, len(now)):min(size, len(now))], make([]byte, max(0, size-len(now)))...)
			default:
				copy(now[off:], bytes.Repeat([]byte{byte(r.IntN(255) + 1)}, length))
				must(t, img.WriteAt(now[off:off+length], uint64(off)))
			}
		}
		must(t, img.Flush())
		snaps = append(snaps, takeSnap(t, p, id, fmt.Sprint("s", n)))
		then = append(then, bytes.Clone(now))
		if n == 3 { // one in the middle goes
			must(t, p.RemoveSnapshot(id, "s1"))
			snaps, then = append(snaps[:1:1], snaps[2:]...), append(then[:1:1], then[2:]...)
		}
	}
	for i, s := range snaps {
		checkSnapshot(t, p, id, s, then[i])
	}
}

// checkSnapshot compares a snapshot with what it is to hold.
func checkSnapshot(t *testing.T, p *Pool, id string, s rbdio.Snapshot, want []byte) {
	t.Helper()
	img, err := p.OpenSnapshot(id, s.ID)
	must(t, err)
	defer img.Close()
	if size, err := img.Size(); err != nil || size != uint64(len(want)) || s.Size != size {
		t.Fatalf("%+v has %d bytes, %v, want %d", s, size, err, len(want))
	}
	compare(t, img, want)
	list, err := img.Extents(0, uint64(len(want)))
	must(t, err)
	var set rbdio.ExtentSet
	for _, e := range list {
		set.Add(e.Off, e.Len)
	}
	for off := uint64(0); off < uint64(len(want)); {
		hole := set.NextHole(off, uint64(len(want)))
		data, ok := set.NextData(hole, uint64(len(want)))
		if !ok {
			data = uint64(len(want))
		}
		if len(bytes.Trim(want[hole:data], "\x00")) > 0 {
			t.Fatalf("%+v: there is data in the hole [%d, %d)", s, hole, data)
		}
		off = data
	}
	info, err := p.StatSnapshot(id, s.ID)
	must(t, err)
	// A striped image's extents are wider than its objects.
	if info.Allocated != rbdio.Unknown && (info.Allocated == 0) != (set.Total() == 0) || info.Size != s.Size {
		t.Errorf("%+v: %+v, with %d bytes of extents", s, info, set.Total())
	}
}

// Many snapshots take few questions.
func TestSnapshotListOfMany(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	const many = snapsAtOnce + 20
	for i := range many {
		must(t, p.CreateSnapshot(id, fmt.Sprint("s", i)))
	}
	begin := time.Now()
	list, err := p.ListSnapshots(id)
	must(t, err)
	t.Log("listing took", time.Since(begin))
	for i, s := range list {
		if s.Name != fmt.Sprint("s", i) {
			t.Fatalf("the snapshot number %d is %+v", i, s)
		}
	}
	if len(list) != many {
		t.Errorf("%d snapshots, want %d", len(list), many)
	}
}
