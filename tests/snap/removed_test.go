package snap

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"rbdfs/tests/harness"
)

// Whoever removes a snapshot that is being read: a read has its bytes or fails,
// the name goes from every mount, and the file cannot be opened any more.
func TestRemovedUnderReaders(t *testing.T) {
	other := env.Start(t, harness.Options{})
	env.Mount.Check(t)
	for _, remove := range []struct {
		by string
		do func(t *testing.T, snap string)
	}{
		{"rbd", func(t *testing.T, snap string) { rbd(t, "snap", "rm", spec("vm1@"+snap), "--no-progress") }},
		{"other mount", func(t *testing.T, snap string) { must(t, syscall.Rmdir(other.Path(".snap/vm1/"+snap))) }},
		{"this mount", func(t *testing.T, snap string) { must(t, syscall.Rmdir(filepath.Join(snapsOf("vm1"), snap))) }},
	} {
		t.Run(remove.by, func(t *testing.T) {
			old, path := random(t, 16*mib), env.Mount.Path("vm1")
			image(t, "vm1", old)
			must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
			must(t, os.WriteFile(path, random(t, 16*mib), 0))
			f := openDirect(t, snapOf("vm1", "s"))
			defer f.Close()
			begun, over := make(chan struct{}, 4), sync.WaitGroup{}
			for range cap(begun) {
				over.Go(func() { readUntilGone(t, f, old, begun) })
			}
			for range cap(begun) {
				<-begun
			}
			soon(t, "the other mount sees it", func() error { _, err := os.Stat(other.Path(".snap/vm1/s")); return err })
			remove.do(t, "s")
			over.Wait()
			for _, m := range []*harness.Mount{env.Mount, other} {
				soon(t, "the snapshot goes", func() error { return gone(m, "vm1", "s") })
			}
			if at, err := f.Seek(0, 3); err == nil && at != 0 { // SEEK_DATA
				t.Errorf("there is data at %d alone", at)
			}
		})
	}
}

// readUntilGone reads at random until the snapshot is removed, and says so once
// it has begun. Every byte that it gets must be the snapshot's.
func readUntilGone(t *testing.T, f *os.File, want []byte, begun chan<- struct{}) {
	buf := aligned(64 << 10)
	for n := 0; ; n++ {
		off := rand.IntN(len(want)/len(buf)) * len(buf)
		got, err := f.ReadAt(buf, int64(off))
		if errors.Is(err, syscall.ESTALE) || errors.Is(err, syscall.EIO) {
			return
		}
		if err != nil || got != len(buf) || !bytes.Equal(buf, want[off:off+len(buf)]) {
			t.Errorf("read number %d, at %d: %d bytes that are not the snapshot's, %v", n, off, got, err)
			return
		}
		if n == 10 {
			begun <- struct{}{}
		}
	}
}

// gone returns an error while a mount shows a snapshot in any way.
func gone(m *harness.Mount, image, snap string) error {
	dir := m.Path(".snap/" + image)
	entries, err := os.ReadDir(dir)
	if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == snap }) {
		return fmt.Errorf("listed: %v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, snap)); !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("stat: %v", err)
	}
	f, err := os.Open(filepath.Join(dir, snap, image))
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("open: %v", err)
	}
	return nil
}

// openDirect opens a file for reading past the page cache.
func openDirect(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECT, 0)
	must(t, err)
	return f
}

// aligned is a buffer for O_DIRECT.
func aligned(n int) []byte {
	const block = 4096
	b := make([]byte, n+block)
	skip := (block - int(uintptr(unsafe.Pointer(&b[0]))%block)) % block
	return b[skip : skip+n]
}

// What a mount says of a snapshot holds still, also for the next mount.
func TestStable(t *testing.T) {
	env.Mount.Check(t)
	image(t, "vm1", random(t, mib))
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	file, dir := stat(t, snapOf("vm1", "s")), stat(t, filepath.Join(snapsOf("vm1"), "s"))
	must(t, os.WriteFile(env.Mount.Path("vm1"), nil, 0))
	if _, err := os.ReadFile(snapOf("vm1", "s")); err != nil {
		t.Error(err)
	}
	must(t, os.Rename(env.Mount.Path("vm1"), env.Mount.Path("vm2")))
	t.Cleanup(func() { must(t, os.Rename(env.Mount.Path("vm2"), env.Mount.Path("vm1"))) })
	for _, m := range []*harness.Mount{env.Mount, env.Start(t, harness.Options{})} {
		nowFile, nowDir := stat(t, m.Path(".snap/vm2/s/vm2")), stat(t, m.Path(".snap/vm2/s"))
		nowFile.Dev, nowDir.Dev = file.Dev, dir.Dev
		if nowFile != file || nowDir != dir {
			t.Errorf("%+v in %+v, was %+v in %+v", nowFile, nowDir, file, dir)
		}
	}
	if image := stat(t, env.Mount.Path("vm2")); image.Ino == file.Ino || dir.Ino == file.Ino || file.Nlink != 1 {
		t.Errorf("inodes %d, %d, %d", image.Ino, file.Ino, dir.Ino)
	}
}
