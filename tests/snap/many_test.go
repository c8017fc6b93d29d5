package snap

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// Three hundred snapshots are listed, with their attributes, at the pace of ls.
// They go with their pool, which takes less time than removing them.
func TestManySnapshots(t *testing.T) {
	pool := env.Cluster.Pool(t)
	m := env.Start(t, harness.Options{Pool: pool})
	must(t, os.WriteFile(m.Path("vm1"), []byte("data"), 0o644))
	const many = 300
	var makers sync.WaitGroup
	for i := range many {
		makers.Go(func() {
			if err := os.Mkdir(m.Path(fmt.Sprintf(".snap/vm1/s%03d", i)), 0o755); err != nil {
				t.Error(err)
			}
		})
	}
	makers.Wait()
	time.Sleep(visible) // what the kernel knows of them expires
	begin := time.Now()
	list := run(t, "ls", "-l", m.Path(".snap/vm1"))
	t.Log("ls -l took", time.Since(begin))
	begin = time.Now()
	theirs := rbd(t, "snap", "ls", pool+"/vm1")
	t.Log("rbd snap ls took", time.Since(begin))
	if n, want := strings.Count(list, " s"), strings.Count(theirs, " s"); n != many || want != many {
		t.Errorf("%d snapshots, rbd lists %d, want %d", n, want, many)
	}
	inodes := map[uint64]bool{}
	for i := range many {
		inodes[stat(t, m.Path(fmt.Sprintf(".snap/vm1/s%03d/vm1", i))).Ino] = true
	}
	if len(inodes) != many {
		t.Errorf("%d inode numbers", len(inodes))
	}
}

// Two mounts make and remove snapshots of one image at once, which one of them
// writes to; each snapshot that is there is whole.
func TestTwoMounts(t *testing.T) {
	b := env.Start(t, harness.Options{})
	env.Mount.Check(t)
	path := image(t, "vm1", bytes.Repeat([]byte{1}, 8*mib))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var wg sync.WaitGroup
	for i, m := range []*harness.Mount{env.Mount, b} {
		for n := range 10 {
			wg.Go(func() {
				dir := m.Path(fmt.Sprintf(".snap/vm1/%d-%d", i, n))
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Error(err)
					return
				}
				data, err := os.ReadFile(dir + "/vm1")
				if err != nil || len(data) != 8*mib || bytes.Count(data[:mib], data[:1]) != mib || bytes.Count(data, []byte{1}) < 7*mib {
					t.Errorf("%s: %d bytes, %v", dir, len(data), err)
				}
				if err := os.Remove(dir); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for n := range 10 { // a write of one object is in a snapshot whole, or not at all
		_, err := f.WriteAt(bytes.Repeat([]byte{byte(n + 2)}, mib), 0)
		must(t, err)
	}
	wg.Wait()
	// The name that both want goes to one.
	first, second := os.Mkdir(env.Mount.Path(".snap/vm1/x"), 0o755), os.Mkdir(b.Path(".snap/vm1/x"), 0o755)
	must(t, first)
	want(t, "mkdir on the other mount", second, syscall.EEXIST)
	soon(t, "the snapshot shows", func() error { _, err := os.Stat(b.Path(".snap/vm1/x/vm1")); return err })
	must(t, os.Rename(b.Path(".snap/vm1/x"), b.Path(".snap/vm1/y")))
	soon(t, "the new name shows", func() error { _, err := os.Stat(snapOf("vm1", "y")); return err })
}
