package model

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// maxHandles is how many handles are open at once.
const maxHandles = 5

// open opens a name with drawn flags.
func (w *world) open(t *rapid.T) {
	if len(w.handles) == maxHandles {
		t.Skip("enough is open")
	}
	flags := rapid.SampledFrom([]int{syscall.O_RDONLY, syscall.O_WRONLY, syscall.O_RDWR, syscall.O_RDWR}).Draw(t, "mode")
	flags |= rapid.SampledFrom([]int{0, 0, 0, syscall.O_CREAT, syscall.O_CREAT, syscall.O_CREAT | syscall.O_EXCL}).Draw(t, "create")
	flags |= rapid.SampledFrom([]int{0, 0, 0, syscall.O_APPEND}).Draw(t, "append")
	flags |= rapid.SampledFrom([]int{0, 0, 0, 0, syscall.O_TRUNC}).Draw(t, "truncate")
	flags |= rapid.SampledFrom([]int{0, 0, 0, syscall.O_SYNC, syscall.O_DSYNC}).Draw(t, "sync")
	w.openFile(t, w.name(t, "name"), flags|w.directFlag(t))
}

// openFile opens a name on both sides and remembers the handle.
func (w *world) openFile(t *rapid.T, name string, flags int) *handle {
	h := &handle{flags: flags}
	a := w.both(t, "open "+name, func(side int) (a answer) {
		f := flags
		if side == local {
			f &^= syscall.O_DIRECT
		}
		h.fd[side], a.err = syscall.Open(w.path(side, name), f|syscall.O_CLOEXEC, 0o600)
		return a
	})
	if a.err != nil {
		return nil
	}
	h.file = w.file(t, name, h)
	w.handles = append(w.handles, h)
	return h
}

// file returns the file of a new handle.
func (w *world) file(t *rapid.T, name string, h *handle) *file {
	var st [sides]unix.Stat_t
	for side := range sides {
		if err := unix.Fstat(h.fd[side], &st[side]); err != nil {
			t.Fatal(err)
		}
	}
	f := w.files[st[local].Ino]
	if f == nil {
		fd, err := syscall.Open(w.path(local, name), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f = &file{model: fd, ino: st[image].Ino}
		w.files[st[local].Ino] = f
	}
	if f.ino != st[image].Ino {
		t.Fatalf("%s has inode number %d, and had %d", name, st[image].Ino, f.ino)
	}
	return f
}

// closeOne closes a handle.
func (w *world) closeOne(t *rapid.T) {
	if len(w.handles) < 2 {
		t.Skip("one stays open")
	}
	w.closeHandle(t, rapid.IntRange(0, len(w.handles)-1).Draw(t, "handle"))
}

func (w *world) closeHandle(t *rapid.T, i int) {
	h := w.handles[i]
	w.handles = slices.Delete(w.handles, i, i+1)
	w.both(t, "close", func(side int) answer { return answer{err: syscall.Close(h.fd[side])} })
}

// reopen closes every handle and every mapping, and opens a name again.
func (w *world) reopen(t *rapid.T) {
	for len(w.maps) > 0 {
		w.dropMap(t, 0)
	}
	for len(w.handles) > 0 {
		w.closeHandle(t, 0)
	}
	w.openFile(t, w.name(t, "name"), syscall.O_RDWR|syscall.O_CREAT|w.directFlag(t))
}

// rename renames a file, maybe over another one.
func (w *world) rename(t *rapid.T) {
	from, to := w.name(t, "from"), w.name(t, "to")
	flags := rapid.SampledFrom([]uint{0, 0, unix.RENAME_NOREPLACE}).Draw(t, "flags")
	w.both(t, "rename "+from+" to "+to, func(side int) answer {
		return answer{err: unix.Renameat2(unix.AT_FDCWD, w.path(side, from), unix.AT_FDCWD, w.path(side, to), flags)}
	})
}

// unlink removes a name; who has the file open goes on.
func (w *world) unlink(t *rapid.T) {
	name := w.name(t, "name")
	w.both(t, "unlink "+name, func(side int) answer {
		return answer{err: syscall.Unlink(w.path(side, name))}
	})
}

// compareNames compares what the names stand for.
func (w *world) compareNames(t *rapid.T) {
	for _, name := range w.names {
		var st [sides]unix.Stat_t
		var err [sides]error
		for side := range sides {
			err[side] = unix.Stat(w.path(side, name), &st[side])
		}
		switch {
		case !errors.Is(err[image], err[local]):
			t.Fatalf("stat %s: %v, and %v on the mount", name, err[local], err[image])
		case err[local] == nil && st[local].Size != st[image].Size:
			t.Fatalf("stat %s: size %d, and %d on the mount", name, st[local].Size, st[image].Size)
		}
	}
}
