package start

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
)

// descriptors are what a process has open, each by its number and target.
func descriptors(t *testing.T, pid int) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil { // else it was just closed
			open = append(open, e.Name()+" "+target)
		}
	}
	return open
}

// TestRefusalsLeaveNothing checks that a mount that is asked in vain to end, by
// commands and by signals, has as many descriptors afterwards as before.
func TestRefusalsLeaveNothing(t *testing.T) {
	const refusals = 20
	dir := mountDir(t)
	p := foreground(t, suite.cluster, cluster.DefaultPool, dir)
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if r := rbdfs(t, "umount", dir); r.code != 61 {
		t.Fatalf("the first: %+v", r)
	}
	before := descriptors(t, p.Process.Pid)
	for range refusals {
		if r := rbdfs(t, "umount", dir); r.code != 61 {
			t.Fatalf("%+v", r)
		}
	}
	for n := range refusals {
		p.signal(t, syscall.SIGHUP) // never counts as the second
		eventually(t, "a refusal", func() bool { return strings.Count(p.stderr.String(), "goes on serving") > n })
	}
	// Connections to the cluster come and go by themselves.
	const margin = refusals / 4
	eventually(t, fmt.Sprintf("at most %d descriptors more than %q", margin, before), func() bool {
		return len(descriptors(t, p.Process.Pid)) <= len(before)+margin
	})
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	if r := rbdfs(t, "umount", dir); r.code != 0 {
		t.Errorf("the last: %+v", r)
	}
	checkEnd(t, p, dir, 0)
}
