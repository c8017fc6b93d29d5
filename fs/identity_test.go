package fs

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

func TestInodesAreAFunctionOfTheirIDs(t *testing.T) {
	a, b := &identities{key: "pool"}, &identities{key: "pool"}
	seen := map[uint64]string{}
	for k := range 10_000 {
		for _, snap := range []string{"", "4"} {
			image := fmt.Sprintf("%x", k)
			ino, err := a.inode(image, snap)
			if err != nil {
				t.Fatal(err)
			}
			if ino < firstIno || int64(ino) < 0 {
				t.Fatalf("inode number %d", ino)
			}
			if other, ok := seen[ino]; ok {
				t.Fatalf("%s@%s and %s have the same number", image, snap, other)
			}
			seen[ino] = image + "@" + snap
			if again, err := a.inode(image, snap); again != ino || err != nil {
				t.Fatalf("asked again, the number is %d, was %d; %v", again, ino, err)
			}
		}
	}
	for k := 9_999; k >= 0; k-- { // another process, in another order
		image := fmt.Sprintf("%x", k)
		if ino, err := b.inode(image, ""); seen[ino] != image+"@" || err != nil {
			t.Fatalf("another mount numbers %s differently; %v", image, err)
		}
	}
	other, err := (&identities{key: "pool/namespace"}).inode("0", "")
	if err != nil || seen[other] != "" {
		t.Errorf("another pool's image has the number of %s; %v", seen[other], err)
	}
}

// The numbers may never change: backup tools keep them.
func TestInodesStayFromVersionToVersion(t *testing.T) {
	ino, err := (&identities{key: "pool"}).inode("10226b8b4567", "")
	if want := uint64(8511859312005350580); ino != want || err != nil {
		t.Errorf("the number is %d, want %d; %v", ino, want, err)
	}
}

func TestCollisionIsEIO(t *testing.T) {
	ids := &identities{key: "pool"}
	ino, err := ids.inode("b", "")
	if err != nil {
		t.Fatal(err)
	}
	ids.nodes = map[uint64]*identity{ino: {image: "a"}} // as if a had it first
	_, err = ids.inode("b", "")
	if to, _ := toErrno(err); to != syscall.EIO {
		t.Errorf("a collision is %v", err)
	}
	if !strings.Contains(fmt.Sprint(err), "a@") || !strings.Contains(fmt.Sprint(err), "b") {
		t.Errorf("the error does not name both: %v", err)
	}
}

func TestNamesForTheLog(t *testing.T) {
	var ids identities
	if got := ids.name("7"); got != "image 7" {
		t.Errorf("an image that was not named is %q", got)
	}
	var wg sync.WaitGroup
	for k := range 10 {
		wg.Go(func() { ids.called("7", fmt.Sprint("vm", k)); _ = ids.name("7"); _, _ = ids.hold("7", "") })
	}
	wg.Wait()
	ids.called("7", "vm1")
	if got := ids.name("7"); got != "vm1" {
		t.Errorf("the image is %q", got)
	}
}

func TestHiddenImageIsLoggedOnce(t *testing.T) {
	var ids identities
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for range 3 {
		ids.logHidden(log, rbdio.Entry{Name: "long", ID: "1"})
		ids.logHidden(log, rbdio.Entry{Name: "longer", ID: "2"})
	}
	if lines := strings.Count(out.String(), "\n"); lines != 2 {
		t.Errorf("%d lines: %s", lines, &out)
	}
}

// hold and forget count as the kernel does.
func TestIdentitiesAreForgotten(t *testing.T) {
	ids := &identities{key: "pool"}
	ino, err := ids.hold("7", "")
	must(t, err)
	_, err = ids.hold("7", "")
	must(t, err)
	snap, err := ids.hold("7", "4/")
	must(t, err)
	ids.called("7", "vm1")
	ids.called("8", "nobody knows it")
	ids.forget(ino, 1)
	if got := ids.file(ino); got != "vm1" {
		t.Errorf("still known, it is called %q", got)
	}
	ids.forget(ino, 1)
	if ids.file(ino) != "" || ids.file(snap) != "vm1" {
		t.Errorf("forgotten, it is called %q, its snapshot %q", ids.file(ino), ids.file(snap))
	}
	ids.forget(snap, 1)
	ids.forget(rootIno, 1)
	if nodes, images := ids.size(); nodes+images != 0 || ids.name("7") != "image 7" {
		t.Errorf("%d nodes and %d images are left, and %s", nodes, images, ids.name("7"))
	}
	for k := range 10 * mostHidden {
		if !ids.firstHidden(fmt.Sprint(k)) {
			t.Fatal("the first is not the first")
		}
	}
	if len(ids.hidden) > mostHidden {
		t.Errorf("%d ids are remembered for being left out", len(ids.hidden))
	}
}

// Whatever is looked up and listed, nothing is left when the kernel has forgotten it.
func TestNothingIsLeftOfWhatIsForgotten(t *testing.T) {
	tr, _ := groupTree(t)
	root := tr.pool.Foreign()
	for _, id := range tr.images(300, 100) {
		must(t, root.Snapshot(id, "s"))
	}
	dir := tr.walk(".group", "d%2Fb")
	tr.want("mkdir", tr.mkdir(dir.NodeId, "s"), 0)
	must(t, root.Rename("vm299", "renamed"))
	known := map[uint64]uint64{}
	look := func(path ...string) {
		node := uint64(rootIno)
		for _, name := range path {
			out, status := tr.lookupIn(node, name)
			tr.want("look up "+name, status, 0)
			known[out.NodeId]++
			node = out.NodeId
		}
	}
	before, _ := tr.m.ids.size()
	for k := range 299 {
		name := fmt.Sprintf("vm%03d", k)
		look(name)
		look(".snap", name, "s", name)
		look(".snap", name, "s", ".diff", ".full")
	}
	look(".group", "d%2Fb", "s", "vm1")
	for name, out := range tr.opendir(rootIno).all() {
		if out.NodeId != 0 {
			known[out.NodeId]++
		} else if name == "vm000" {
			t.Error("the listing has no attributes")
		}
	}
	if nodes, _ := tr.m.ids.size(); nodes < 299*6 {
		t.Errorf("%d nodes are known", nodes)
	}
	for node, lookups := range known {
		tr.raw.Forget(node, lookups)
	}
	if nodes, _ := tr.m.ids.size(); nodes > before {
		t.Errorf("%d nodes are left, %d before", nodes, before)
	}
}

// A file that could not be opened when it was made leaves nothing.
func TestCreateThatCannotOpenLeavesNothing(t *testing.T) {
	tr := newTree(t)
	tr.pool.Fail("Open", 1, syscall.EBUSY)
	_, status := tr.create("vm1", syscall.O_RDWR, 0o600)
	tr.want("create", status, syscall.EBUSY)
	if nodes, images := tr.m.ids.size(); nodes+images != 0 {
		t.Errorf("%d nodes and %d images are left", nodes, images)
	}
}
