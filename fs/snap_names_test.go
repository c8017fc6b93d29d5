package fs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// listed lists a directory as the kernel does.
func (tr *tree) listed(node uint64) string {
	tr.t.Helper()
	return strings.Join(slices.Sorted(maps.Keys(tr.opendir(node).all())), " ")
}

// A name for the log is no file's name: what was looked up in .trash does not show
// below .snap.
func TestTrashNameIsNoFileOfASnapshot(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "s"))
	dir := tr.walk(".snap", "vm1", "s")
	_, err = tr.pool.Foreign().Remove("vm1", time.Time{})
	must(t, err)
	tr.walk(".trash", "vm1")
	if got := tr.listed(dir.NodeId); got != "vm1" {
		t.Errorf("the snapshot lists %q", got)
	}
	if _, status := tr.lookupIn(dir.NodeId, "vm1"); status != fuse.OK {
		t.Errorf("its file cannot be looked up: %v", status)
	}
}

// A program in a directory of a snapshot goes on with the file's name that it has
// read, whoever looks at the renamed image meanwhile.
func TestSnapshotOfAnImageRenamedElsewhere(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("old", 100)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "s"))
	must(t, tr.pool.Foreign().Snapshot(id, "t"))
	images := tr.walk(".snap", "old")
	dir := tr.walk(".snap", "old", "s")
	inSnap := func(what string) {
		t.Helper()
		if got := tr.listed(dir.NodeId); got != "old" {
			t.Errorf("%s, the snapshot lists %q", what, got)
		}
		_, status := tr.lookupIn(dir.NodeId, "old")
		tr.want(what+", look up the file", status, 0)
	}
	must(t, tr.pool.Foreign().Rename("old", "new"))
	inSnap("renamed")
	tr.walk("new")
	inSnap("after ls of the root")
	next, status := tr.lookupIn(images.NodeId, "t")
	tr.want("look up the next snapshot", status, 0)
	if got := tr.listed(next.NodeId); got != "old" {
		t.Errorf("the next snapshot lists %q", got)
	}

	// Who comes by the new name has the new name, and what was read stays good.
	tr.m.snaps.Forget()
	if now := tr.walk(".snap", "new", "s"); now.NodeId != dir.NodeId {
		t.Fatalf("the directory is node %d, was %d", now.NodeId, dir.NodeId)
	}
	if got := tr.listed(dir.NodeId); got != "new" {
		t.Errorf("by its new name, the snapshot lists %q", got)
	}
	for _, name := range []string{"old", "new"} {
		_, status := tr.lookupIn(dir.NodeId, name)
		tr.want("look up "+name, status, 0)
	}
	_, status = tr.lookupIn(dir.NodeId, "other")
	tr.want("look up another name", status, syscall.ENOENT)
}

// The same in a group snapshot: its files have the names that the images have now,
// and names that were read stay good.
func TestGroupSnapshotOfAnImageRenamedElsewhere(t *testing.T) {
	tr, _ := groupTree(t)
	dir := tr.walk(".group", "d%2Fb")
	tr.want("mkdir", tr.mkdir(dir.NodeId, "s"), 0)
	snap := tr.walk(".group", "d%2Fb", "s")
	if got := tr.listed(snap.NodeId); got != "pool2%2Fvm1 vm1" {
		t.Fatalf("the snapshot lists %q", got)
	}
	must(t, tr.pool.Foreign().Rename("vm1", "new"))
	tr.m.groups.Forget()
	files := map[uint64]bool{}
	for _, name := range []string{"vm1", "new"} {
		out, status := tr.lookupIn(snap.NodeId, name)
		tr.want("look up "+name, status, 0)
		files[out.NodeId] = true
	}
	if len(files) != 1 {
		t.Errorf("they are nodes %v", files)
	}
	if got := tr.listed(snap.NodeId); got != "new pool2%2Fvm1" {
		t.Errorf("the snapshot lists %q", got)
	}
}

func TestGivenNamesAreBounded(t *testing.T) {
	var given givenNames
	if given.last() != "" || given.has("") {
		t.Error("there is a name of nothing")
	}
	for k := range 100 {
		given.add(fmt.Sprint("vm", k))
		given.add("vm")
	}
	if given.last() != "vm" || !given.has("vm99") || given.has("vm1") || len(given.names) != mostGiven {
		t.Errorf("the names are %q", given.names)
	}
}
