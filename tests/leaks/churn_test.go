package leaks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

// mostGrowth is how much more memory a daemon may have after twice the work, in
// bytes; measured: below 5 MiB.
const mostGrowth = 24 << 20

// TestChurn opens, reads, writes, asks, makes, renames and removes, thousands of
// times, and compares the memory after the first third with that at the end.
func TestChurn(t *testing.T) {
	env.Mount.Check(t)
	must(t, os.WriteFile(env.Mount.Path("churn"), make([]byte, 100_000), 0o600))
	cycle(t)
	before := memory(t)
	cycle(t)
	cycle(t)
	if after := memory(t); after > before+mostGrowth {
		t.Errorf("the daemon has %d bytes of memory, %d before the same work", after, before)
	}
	must(t, os.Remove(env.Mount.Path("churn")))
}

// cycle is one third of the work.
func cycle(t *testing.T) {
	t.Helper()
	path := env.Mount.Path("churn")
	parallel(t, 400, func(int) error { _, err := os.ReadFile(path); return err })
	parallel(t, 150, func(i int) error { return rewrite(path, i) })
	parallel(t, 1000, func(i int) error {
		if _, err := os.Lstat(env.Mount.Path(fmt.Sprint("none", i))); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("a missing file: %w", err)
		}
		_, err := os.Lstat(path)
		return err
	})
	parallel(t, 20, func(int) error { _, err := os.ReadDir(env.Mount.Dir); return err })
	parallel(t, 40, func(i int) error {
		from, to := env.Mount.Path(fmt.Sprint("from", i)), env.Mount.Path(fmt.Sprint("to", i))
		if err := os.WriteFile(from, []byte("x"), 0o600); err != nil {
			return err
		}
		return errors.Join(os.Rename(from, to), os.Remove(to))
	})
}

// rewrite opens a file for writing, and changes a byte.
func rewrite(path string, i int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{byte(i)}, int64(i))
	return errors.Join(err, f.Close())
}
