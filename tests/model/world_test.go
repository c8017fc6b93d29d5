package model

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// The two sides of a world. The model answers first.
const (
	local = iota // the model
	image
	sides
)

// world is the two directories and what is open in them.
type world struct {
	config
	dir     [sides]string
	names   []string // that files may have
	files   map[uint64]*file
	handles []*handle
	maps    []*mapping
}

// file is one inode, by that of the model. It goes on without a name.
type file struct {
	model int // descriptor of the model's file: its size and bytes without other effects
	ino   uint64
	mtime time.Time
}

// handle is a file opened on both sides.
type handle struct {
	*file
	fd    [sides]int
	flags int
}

var caseNumber int // makes the names of a case unique

// newWorld makes the directories, and the first file.
func newWorld(t *rapid.T, c config) *world {
	caseNumber++
	dir, err := os.MkdirTemp("", "rbdfs-model-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{config: c, files: make(map[uint64]*file)}
	w.dir = [sides]string{local: dir, image: env.Mount.Dir}
	for i := range 3 {
		w.names = append(w.names, fmt.Sprintf("case%d-%c", caseNumber, 'a'+i))
	}
	if c.layout != nil {
		w.createByRBD(t, w.names[0])
	}
	w.openFile(t, w.names[0], syscall.O_RDWR|syscall.O_CREAT|w.directFlag(t))
	return w
}

// createByRBD makes the first file with a layout that is not the mount's.
func (w *world) createByRBD(t *rapid.T, name string) {
	size := w.offset(t, 0)
	args := append([]string{"create", "--size", fmt.Sprintf("%dB", size), env.Pool + "/" + name}, w.layout(t)...)
	if _, err := env.Cluster.RBD(context.Background(), args...); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(w.path(local, name))
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// close closes and removes everything.
func (w *world) close(t *rapid.T) {
	for len(w.maps) > 0 {
		w.dropMap(t, 0)
	}
	for len(w.handles) > 0 {
		w.closeHandle(t, 0)
	}
	for _, f := range w.files {
		_ = syscall.Close(f.model)
	}
	for _, name := range w.names {
		if err := os.Remove(w.path(image, name)); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	if err := os.RemoveAll(w.dir[local]); err != nil {
		t.Error(err)
	}
}

func (w *world) path(side int, name string) string { return filepath.Join(w.dir[side], name) }

// answer is what one side returned.
type answer struct {
	n    int64 // a count or a position; a successful call's only
	data []byte
	err  error // a syscall.Errno
}

// both runs one operation on both sides, counts it as a step, and compares the
// answers.
func (w *world) both(t *rapid.T, what string, op func(side int) answer) answer {
	t.Helper()
	steps.Add(1)
	want, got := op(local), op(image)
	switch {
	case want.err != got.err:
		t.Fatalf("%s: %v, and %v on the mount", what, want.err, got.err)
	case want.err == nil && want.n != got.n:
		t.Fatalf("%s: returned %d, and %d on the mount", what, want.n, got.n)
	case !bytes.Equal(want.data, got.data):
		t.Fatalf("%s: %s", what, difference(want.data, got.data))
	}
	return want
}

// difference tells where bytes that should be equal are not.
func difference(want, got []byte) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d bytes, and %d on the mount", len(want), len(got))
	}
	first, last, n := -1, 0, 0
	for i := range want {
		if want[i] != got[i] {
			if first < 0 {
				first = i
			}
			last = i
			n++
		}
	}
	return fmt.Sprintf("%d of %d bytes differ, from %d to %d: %.8x, and %.8x on the mount", n, len(want), first, last, want[first:], got[first:])
}

// size is the model's size of the file.
func (f *file) size(t *rapid.T) int64 {
	var st unix.Stat_t
	if err := unix.Fstat(f.model, &st); err != nil {
		t.Fatal(err)
	}
	return st.Size
}

// bytes is what the model has in [off, off+n), cut at its end.
func (f *file) bytes(t *rapid.T, off, n int64) []byte {
	n = max(min(n, f.size(t)-off), 0)
	data := make([]byte, n)
	if got, err := unix.Pread(f.model, data, off); err != nil || int64(got) != n {
		t.Fatalf("read the model: %d of %d bytes: %v", got, n, err)
	}
	return data
}
