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
	ids.byIno[ino] = "a@" // as if a had it first
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
		wg.Go(func() { ids.called("7", fmt.Sprint("vm", k)); _ = ids.name("7"); _, _ = ids.inode("7", "") })
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
