package harness

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

// Stat is lstat(2).
func Stat(tb testing.TB, path string) syscall.Stat_t {
	tb.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		tb.Fatalf("stat %s: %v", path, err)
	}
	return st
}

// Names lists a directory, sorted.
func Names(tb testing.TB, dir string) (list []string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	Must(tb, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// Put makes a file with this text.
func Put(tb testing.TB, path, text string) {
	tb.Helper()
	Must(tb, os.WriteFile(path, []byte(text), 0o600))
}

// Random is data of a seed that the log shows.
func Random(tb testing.TB, size int) []byte {
	tb.Helper()
	seed := rand.Uint64()
	tb.Logf("%d random bytes of seed %#x", size, seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032x", seed))).Read(data) // never fails
	return data
}
