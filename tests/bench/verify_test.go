package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestStamp: fio finds what is not what was written: other data, zeros, and the
// right data in the wrong place.
func TestStamp(t *testing.T) {
	if _, err := exec.LookPath("fio"); err != nil {
		t.Skip("fio is not installed; tests/install-deps installs it")
	}
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, verifySize), 0o600); err != nil {
		t.Fatal(err)
	}
	pattern := newStamp()
	stamp := func(pattern string, args ...string) error {
		argv := slices.Concat(fioArgs, args, buffered(1), stampArgs(pattern), []string{"--filename=" + path})
		return exec.Command(argv[0], argv[1:]...).Run()
	}
	if err := stamp(pattern, "--rw=read"); err == nil {
		t.Error("zeros are taken for the pattern")
	}
	if err := stamp(pattern, "--rw=write", "--do_verify=1"); err != nil {
		t.Fatal("write and read again: ", err)
	}
	if err := stamp(pattern, "--rw=read"); err != nil {
		t.Error("read: ", err)
	}
	if err := stamp(newStamp(), "--rw=read"); err == nil {
		t.Error("another pattern is taken for the pattern")
	}
	swapBlocks(t, path)
	if err := stamp(pattern, "--rw=read"); err == nil {
		t.Error("data in the wrong place are taken for the pattern")
	}
}

// swapBlocks swaps the first two blocks of fio's.
func swapBlocks(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const block = 64 << 10
	swapped := slices.Concat(data[block:2*block], data[:block], data[2*block:])
	if err := os.WriteFile(path, swapped, 0o600); err != nil {
		t.Fatal(err)
	}
}
