package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHoldersBesideAStuckProcess checks that a process that cannot be looked at, as
// in an execve(2) that waits, does not keep others from being found. A pipe that
// nobody writes to stands for its files.
func TestHoldersBesideAStuckProcess(t *testing.T) {
	proc := fakeProc(t)
	stuck := filepath.Join(proc, "11")
	if err := os.MkdirAll(filepath.Join(stuck, "ns"), 0o700); err != nil {
		t.Fatal(err)
	}
	maps := filepath.Join(stuck, "mountinfo")
	if err := unix.Mkfifo(maps, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the one who looks go
		if fd, err := unix.Open(maps, unix.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			_ = unix.Close(fd)
		}
	})
	for link, target := range map[string]string{"ns/mnt": "mnt:[2]", "fd": "../12/fd"} {
		if err := os.Symlink(target, filepath.Join(stuck, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := newScanner(mounted{path: "/mnt", device: "0:45"})
	s.proc, s.sys = proc, t.TempDir()
	if got := holderText(s.scan(1)); !strings.HasPrefix(got, "qemu (pid 12): vm 2, vm1") {
		t.Errorf("holders %q", got)
	}
}
