package pair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// present fails unless the mount has an image of this name and size, by stat and
// in a listing.
func present(m *harness.Mount, name string, size int64) func() error {
	return func() error {
		info, err := os.Stat(m.Path(name))
		if err != nil {
			return err
		}
		if info.Size() != size {
			return fmt.Errorf("it has %d bytes, not %d", info.Size(), size)
		}
		if listed, err := lists(m, name); err != nil || !listed {
			return fmt.Errorf("it is not listed (%v)", err)
		}
		return nil
	}
}

// absent fails while the mount has an image of this name, by stat or in a
// listing.
func absent(m *harness.Mount, name string) func() error {
	return func() error {
		if _, err := os.Stat(m.Path(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("it is there: %v", err)
		}
		if listed, err := lists(m, name); err != nil || listed {
			return fmt.Errorf("it is listed (%v)", err)
		}
		return nil
	}
}

// TestNames makes, renames, resizes and removes an image on one host.
func TestNames(t *testing.T) {
	a, b := hosts(t)
	for range 1 {
		must(t, absent(b, "n1")())
		put(t, a.Path("n1"), "hello")
		soon(t, "a new image", present(b, "n1", 5))
		must(t, os.Rename(a.Path("n1"), a.Path("n2")))
		soon(t, "an old name", absent(b, "n1"))
		soon(t, "a new name", present(b, "n2", 5))
		must(t, os.Truncate(a.Path("n2"), 1_000_001))
		soon(t, "a new size", present(b, "n2", 1_000_001))
		must(t, os.Truncate(a.Path("n2"), 77))
		soon(t, "a smaller size", present(b, "n2", 77))
		must(t, os.Remove(a.Path("n2")))
		soon(t, "a removed image", absent(b, "n2"))
	}
}

// TestReplaced has two images change places, by names that b knows.
func TestReplaced(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("r1"), "one")
	put(t, a.Path("r2"), "second")
	reads(t, b.Path("r1"), "one")
	reads(t, b.Path("r2"), "second")
	before := content.Stat(t, b.Path("r2")).Ino
	must(t, os.Rename(a.Path("r2"), a.Path("r1")))
	soon(t, "the image that came", present(b, "r1", 6))
	soon(t, "the name that went", absent(b, "r2"))
	reads(t, b.Path("r1"), "second")
	if after := content.Stat(t, b.Path("r1")).Ino; after != before {
		t.Errorf("inode number %d after the rename, %d before", after, before)
	}
	must(t, os.Remove(b.Path("r1")))
}

// TestRBDCommand sees what the rbd command does, with the file closed and open.
func TestRBDCommand(t *testing.T) {
	a, b := hosts(t)
	for _, open := range []int{-1, os.O_RDONLY, os.O_RDWR} {
		rbd(t, "create", "--size", "1M", spec("c1"))
		soon(t, "rbd create", present(a, "c1", 1<<20))
		var f *os.File
		if open >= 0 {
			f = content.Open(t, a.Path("c1"), open)
		}
		rbd(t, "rename", spec("c1"), spec("c2"))
		soon(t, "rbd rename", absent(a, "c1"))
		soon(t, "rbd rename", present(a, "c2", 1<<20))
		rbd(t, "resize", "--no-progress", "--size", "3M", spec("c2"))
		for _, m := range []*harness.Mount{a, b} {
			soon(t, "rbd resize", present(m, "c2", 3<<20))
		}
		if f != nil {
			soon(t, "rbd resize, by fstat", sized(f, 3<<20))
		}
		rbd(t, "resize", "--no-progress", "--size", "2M", "--allow-shrink", spec("c2"))
		soon(t, "rbd resize to less", present(a, "c2", 2<<20))
		if f != nil {
			soon(t, "rbd resize to less, by fstat", sized(f, 2<<20))
			content.Close(t, f)
		}
		within(t, visible, "rbd rm", func() error {
			_, err := env.Cluster.RBD(t.Context(), "rm", "--no-progress", spec("c2"))
			return err
		})
		soon(t, "rbd rm", absent(a, "c2"))
	}
}

// sized fails unless fstat(2) says this size.
func sized(f *os.File, size int64) func() error {
	return func() error {
		info, err := f.Stat()
		if err == nil && info.Size() != size {
			err = fmt.Errorf("it has %d bytes, not %d", info.Size(), size)
		}
		return err
	}
}
