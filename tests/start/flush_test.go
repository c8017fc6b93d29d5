package start

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// TestEndWhileTheClusterIsAway checks that no signal but SIGKILL ends a daemon
// before its writes are flushed, however long that takes; and that, where I/O
// times out, the failed flush shows in the exit code.
func TestEndWhileTheClusterIsAway(t *testing.T) {
	c := cluster.Own(t, cluster.Options{})
	t.Run("waits", func(t *testing.T) { waitsForTheCluster(t, c) })
	t.Run("ended by the kernel", func(t *testing.T) { freesTheDirectory(t, c) })
	t.Run("times out", func(t *testing.T) { failsToFlush(t, c) })
}

// pause freezes the OSD until the test ends.
func pause(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := c.PauseDaemon("osd.0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.ResumeDaemon("osd.0") })
}

// unflushed makes a file that holds "again", which the OSD has not heard of, and
// leaves the file open and the OSD frozen.
func unflushed(t *testing.T, c *cluster.Cluster, path string) {
	t.Helper()
	f := write(t, path, []byte("first"))
	// The first sync sets the image's size, whereupon librbd reads the header
	// anew before the next write. The last one ends all writes: one to the same
	// place would wait for them.
	for _, text := range []string{"first", "next "} {
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	pause(t, c)
	// Should the write wait for the OSD after all, the test fails, but ends.
	thaw := time.AfterFunc(2*patience, func() { _ = c.ResumeDaemon("osd.0") })
	defer thaw.Stop()
	began := time.Now()
	if _, err := f.WriteAt([]byte("again"), 0); err != nil || time.Since(began) > patience {
		t.Fatalf("a write into the cache: %v after %v", err, time.Since(began))
	}
}

// endTwice sends the two signals that end a daemon whose files are open.
func endTwice(t *testing.T, p *process) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	eventually(t, "a refusal", func() bool { return strings.Contains(p.stderr.String(), "goes on serving") })
	p.signal(t, syscall.SIGTERM)
	eventually(t, "the end to begin", func() bool { return strings.Contains(p.stderr.String(), "ending the mount") })
}

func waitsForTheCluster(t *testing.T, c *cluster.Cluster) {
	pool, dir := c.Pool(t), mountDir(t)
	p := foreground(t, c, pool, dir)
	unflushed(t, c, filepath.Join(dir, "vm"))
	endTwice(t, p)
	eventually(t, "the mount to go", func() bool { return mountLine(dir) == "" })
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGINT)
	eventually(t, "word of the flush", func() bool { return strings.Contains(p.stderr.String(), "still flushing") })
	time.Sleep(time.Second) // what must not happen cannot be waited for
	if !p.running() {
		t.Fatalf("ended before the flush: %+v", p.result(t))
	}
	if err := c.ResumeDaemon("osd.0"); err != nil {
		t.Fatal(err)
	}
	checkEnd(t, p, dir, 0)
	if got := export(t, c, pool, "vm"); string(got) != "again" {
		t.Errorf("the image holds %q", got)
	}
}

// freesTheDirectory checks that a mount that the kernel ends leaves its directory at
// once, and its process when all is flushed.
func freesTheDirectory(t *testing.T, c *cluster.Cluster) {
	pool, dir := c.Pool(t), mountDir(t)
	p := foreground(t, c, pool, dir)
	path := filepath.Join(dir, "vm")
	unflushed(t, c, path)
	synced := make(chan error, 1)
	go func() { synced <- syncFile(path) }() // its requests wait in Go
	// No program is started: its copy of the open file would be closed, and wait.
	if err := syscall.Unmount(dir, syscall.MNT_FORCE); err != syscall.EBUSY {
		t.Errorf("umount -f: %v", err)
	}
	eventually(t, "the mount to go", func() bool { return mountLine(dir) == "" })
	checkDirIsFree(t, dir)
	if err := <-synced; err == nil {
		t.Error("fsync succeeded on a cluster that is away")
	}
	if !p.running() {
		t.Fatalf("ended before the flush: %+v", p.result(t))
	}
	if err := c.ResumeDaemon("osd.0"); err != nil {
		t.Fatal(err)
	}
	checkEnd(t, p, dir, 0)
	if got := export(t, c, pool, "vm"); string(got) != "again" {
		t.Errorf("the image holds %q", got)
	}
}

// syncFile opens a file and syncs it.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func failsToFlush(t *testing.T, c *cluster.Cluster) {
	dir := mountDir(t)
	p := foreground(t, c, c.Pool(t), dir, "--io-timeout=3s")
	unflushed(t, c, filepath.Join(dir, "vm"))
	endTwice(t, p)
	checkEnd(t, p, dir, 6)
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "rbdfs: ") || !strings.Contains(last, "vm") {
		t.Errorf("the last line: %s", last)
	}
}
