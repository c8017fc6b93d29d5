package snapshots

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// groupRig is a rig with a group of its image, another one, and one of another
// pool.
type groupRig struct {
	rig
	groups *Groups
	files  *rbdio.Files
	other  *memrbd.Pool
	group  string // id
	ids    [2]string
}

func inGroupBubble(t *testing.T, test func(groupRig)) {
	t.Helper()
	inBubble(t, func(r rig) {
		g := groupRig{rig: r, files: r.tree.files, groups: NewGroups(r.pool, r.tree.files)}
		g.other = memrbd.New(memrbd.Options{ObjectSize: 4096, Key: "other"})
		second, err := r.pool.Foreign().Create("vm2", 0)
		must(t, err)
		far, err := g.other.Foreign().Create("vm1", 100)
		must(t, err)
		g.ids = [2]string{r.id, second}
		g.group = r.pool.Foreign().AddGroup("db", second, r.id)
		must(t, r.pool.Foreign().AddToGroup(g.group, 7, g.other, far))
		test(g)
	})
}

// take makes a group snapshot and returns it.
func (g groupRig) take(name string) rbdio.GroupSnapshot {
	g.t.Helper()
	must(g.t, g.groups.Create(g.group, name))
	snaps, _, err := g.groups.Snapshots(g.group)
	must(g.t, err)
	return snaps[len(snaps)-1]
}

// member returns a member by its name.
func (g groupRig) member(s rbdio.GroupSnapshot, name string) rbdio.Member {
	g.t.Helper()
	members, err := g.groups.Members(g.group, s.ID)
	must(g.t, err)
	for _, m := range members {
		if m.Name == name {
			return m.Member
		}
	}
	g.t.Fatalf("%q is not among %+v", name, members)
	return rbdio.Member{}
}

// open opens both images of the mount's pool for writing, until the test ends.
func (g groupRig) open() (files [2]*rbdio.Handle, release func()) {
	g.t.Helper()
	for i, id := range g.ids {
		f, err := g.files.Open(id, true)
		must(g.t, err)
		files[i] = f
	}
	return files, func() {
		for _, f := range files {
			must(g.t, f.Release())
		}
	}
}

func TestGroupSnapshotHasWhatWasWritten(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		files, release := g.open()
		defer release()
		for i, f := range files {
			must(t, f.WriteAt([]byte("data"), 200_000+uint64(i)))
		}
		s := g.take("s")
		for i, f := range files {
			must(t, f.WriteAt([]byte("late"), 200_000))
			m := g.member(s, fmt.Sprintf("vm%d", i+1))
			info, err := g.tree.StatMember(m)
			if err != nil || info.Size != 200_004+uint64(i) {
				t.Errorf("%+v, %v", info, err)
			}
			snap, err := g.tree.OpenMember(m)
			must(t, err)
			got := make([]byte, 100)
			n, err := snap.ReadAt(got, 200_000+uint64(i))
			if err != nil || string(got[:n]) != "data" || snap.ImageID() != g.ids[i] {
				t.Errorf("read %q, %v", got[:n], err)
			}
			g.tree.Release(snap)
		}
		if far := g.member(s, "other/vm1"); far.PoolID != 7 || far.ImageKey() != "7/"+far.ImageID {
			t.Errorf("%+v", far)
		}
	})
}

// A write that comes while the group snapshot is taken is not in it, whichever
// image it is to.
func TestWritesWaitForTheGroupSnapshot(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		files, release := g.open()
		defer release()
		goOn := g.pool.Block("CreateGroupSnapshot")
		var wg sync.WaitGroup
		wg.Go(func() { must(t, g.groups.Create(g.group, "s")) })
		g.pool.Await("CreateGroupSnapshot", 1)
		for _, f := range files {
			wg.Go(func() { must(t, f.WriteAt([]byte("late"), 0)) })
		}
		synctest.Wait()
		if n := g.pool.Calls("WriteAt"); n > 0 {
			t.Errorf("%d writes did not wait", n)
		}
		goOn()
		wg.Wait()
		if n := g.pool.Calls("WriteAt"); n != 2 {
			t.Errorf("%d writes went on", n)
		}
	})
}

// Groups that list the same images in different orders, and single snapshots, are
// taken at once; the bubble panics when all wait for each other.
func TestManySnapshotsAtOnce(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		files, release := g.open()
		defer release()
		g.pool.Delay("CreateGroupSnapshot", time.Second)
		g.pool.Delay("CreateSnapshot", time.Second)
		g.pool.Delay("Flush", time.Second)
		back := g.pool.Foreign().AddGroup("back", g.ids[0], g.ids[1])
		var wg sync.WaitGroup
		for i := range 5 {
			name := fmt.Sprint("s", i)
			wg.Go(func() { must(t, g.groups.Create(g.group, name)) })
			wg.Go(func() { must(t, g.groups.Create(back, name)) })
			for k := range files {
				wg.Go(func() { must(t, g.tree.Create(g.ids[k], name)) })
				wg.Go(func() { must(t, files[k].WriteAt([]byte(name), uint64(i)*100_000)) })
			}
		}
		wg.Wait()
		snaps, _, err := g.groups.Snapshots(back)
		if err != nil || len(snaps) != 5 {
			t.Errorf("%+v, %v", snaps, err)
		}
	})
}

// Data that does not reach the OSDs is in no group snapshot, and nothing is held
// for good.
func TestGroupSnapshotFailsWithAFlush(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		files, release := g.open()
		defer release()
		for _, f := range files {
			must(t, f.WriteAt([]byte("data"), 0))
		}
		g.pool.Fail("Flush", 1, syscall.EIO)
		wantErrno(t, g.groups.Create(g.group, "s"), syscall.EIO)
		if g.pool.Calls("CreateGroupSnapshot") > 0 {
			t.Error("there is a snapshot of data that is not on the OSDs")
		}
		// Who wrote is told, too.
		wantErrno(t, errors.Join(files[0].Fsync(), files[1].Fsync()), syscall.EIO)
		for _, f := range files {
			must(t, f.WriteAt([]byte("more"), 0))
		}
		g.take("s")
	})
}

func TestGroupsAreAskedForOnce(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		s := g.take("s")
		for range 10 {
			id, _, err := g.groups.Find("db")
			if err != nil || id != g.group {
				t.Errorf("%q, %v", id, err)
			}
			g.member(s, "vm1")
		}
		for _, op := range []string{"ListGroups", "ListGroupSnapshots", "MemberNames"} {
			if n := g.pool.Calls(op); n != 1 {
				t.Errorf("%s was called %d times", op, n)
			}
		}
		must(t, g.pool.Foreign().RemoveGroupSnapshot(g.group, "s"))
		time.Sleep(listAge)
		_, err := g.groups.Members(g.group, s.ID)
		wantErrno(t, err, syscall.ENOENT)
	})
}

func TestOwnGroupChangesShowAtOnce(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		s := g.take("s")
		wantErrno(t, g.groups.Create(g.group, "s"), syscall.EEXIST)
		must(t, g.groups.Rename(g.group, "s", "t"))
		if now, err := g.groups.Snapshot(g.group, s.ID); err != nil || now.Name != "t" {
			t.Errorf("%+v, %v", now, err)
		}
		must(t, g.groups.Remove(g.group, "t"))
		_, err := g.groups.Snapshot(g.group, s.ID)
		wantErrno(t, err, syscall.ENOENT)
	})
}

// An image of now and one in the trash that had its name are told apart.
func TestMembersOfTheSameName(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		s := g.take("s")
		must(t, g.pool.Foreign().Rename("vm1", "old"))
		must(t, g.pool.Foreign().Rename("vm2", "other/vm1"))
		g.groups.Forget()
		for i, name := range []string{"old", "other/vm1@" + g.ids[1]} {
			if m := g.member(s, name); m.ImageID != g.ids[i] {
				t.Errorf("%q is %+v", name, m)
			}
		}
	})
}

func TestMemberRemovedWhileOpen(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		m := g.member(g.take("s"), "vm1")
		f, err := g.tree.OpenMember(m)
		must(t, err)
		defer g.tree.Release(f)
		must(t, g.pool.Foreign().RemoveGroupSnapshot(g.group, "s"))
		_, err = f.ReadAt(make([]byte, 10), 0)
		wantErrno(t, err, syscall.ESTALE)
		_, err = g.tree.OpenMember(m)
		wantErrno(t, err, syscall.ENOENT)
	})
}

func TestScriptedGroupErrors(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		m := g.member(g.take("s"), "vm1")
		snaps, _, err := g.groups.Snapshots(g.group)
		must(t, err)
		for op, call := range map[string]func() error{
			"ListGroups":          func() error { _, _, err := g.groups.Find("db"); return err },
			"ListGroupImages":     func() error { return g.groups.Create(g.group, "t") },
			"ListGroupSnapshots":  func() error { _, err := g.groups.Snapshot(g.group, snaps[0].ID); return err },
			"MemberNames":         func() error { _, err := g.groups.Members(g.group, snaps[0].ID); return err },
			"CreateGroupSnapshot": func() error { return g.groups.Create(g.group, "t") },
			"RemoveGroupSnapshot": func() error { return g.groups.Remove(g.group, "s") },
			"RenameGroupSnapshot": func() error { return g.groups.Rename(g.group, "s", "t") },
			"OpenMember":          func() error { _, err := g.tree.OpenMember(m); return err },
			"StatMember":          func() error { _, err := g.tree.StatMember(m); return err },
		} {
			g.groups.Forget()
			g.pool.Fail(op, 1, syscall.EPERM)
			wantErrno(t, call(), syscall.EPERM)
		}
		if now, _, err := g.groups.Snapshots(g.group); err != nil || len(now) != 1 || now[0].Name != "s" {
			t.Errorf("%+v, %v", now, err)
		}
		_, _, err = g.groups.Find("none")
		wantErrno(t, err, syscall.ENOENT)
		_, _, err = g.groups.Snapshots("none")
		wantErrno(t, err, syscall.ENOENT)
		wantErrno(t, g.groups.Create("none", "s"), syscall.ENOENT)
	})
}

func TestWhoOpensDuringAGroupSnapshotWaits(t *testing.T) {
	inGroupBubble(t, func(g groupRig) {
		release := g.pool.Block("CreateGroupSnapshot")
		var wg sync.WaitGroup
		wg.Go(func() { g.take("s") })
		synctest.Wait()
		files, closeAll := g.open()
		written := make(chan error, len(files))
		for _, f := range files {
			wg.Go(func() { written <- f.WriteAt([]byte("late"), 0) })
		}
		synctest.Wait()
		if n := len(written); n > 0 {
			t.Errorf("%d writes were over before the snapshot", n)
		}
		release()
		wg.Wait()
		for range files {
			must(t, <-written)
		}
		closeAll()
	})
}
