package model

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// actions are the operations to draw from. The one without a name runs after
// each of the others.
func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"open": w.open, "open another": w.open, "close": w.closeOne, "reopen": w.reopen,
		"pread": w.pread, "read": w.read, "pwrite": w.pwrite, "pwrite again": w.pwrite, "write": w.write, "writev": w.writev,
		"seek": w.seek, "ftruncate": w.ftruncate, "truncate": w.truncate,
		"fallocate": w.fallocate, "fallocate again": w.fallocate,
		"seek data": w.seekData, "seek hole": w.seekHole,
		"copy": w.copyRange, "fsync": w.fsync, "fdatasync": w.fdatasync,
		"map": w.mapFile, "load": w.load, "store": w.store, "store again": w.store, "msync": w.msync, "unmap": w.unmap,
		"rename": w.rename, "unlink": w.unlink,
		"compare": w.compareOne,
		"":        w.compare,
	}
}

// compare is what must hold after each step.
func (w *world) compare(t *rapid.T) {
	w.compareNames(t)
	for _, h := range w.handles {
		var st [sides]unix.Stat_t
		for side := range sides {
			if err := unix.Fstat(h.fd[side], &st[side]); err != nil {
				t.Fatalf("fstat: %v", err)
			}
		}
		want, got := &st[local], &st[image]
		mtime := time.Unix(got.Mtim.Unix())
		switch {
		case want.Size != got.Size:
			t.Fatalf("fstat %s: size %d, and %d on the mount", h, want.Size, got.Size)
		case want.Nlink != got.Nlink:
			t.Fatalf("fstat %s: %d links, and %d on the mount", h, want.Nlink, got.Nlink)
		case got.Ino != h.ino:
			t.Fatalf("fstat %s: inode number %d, and it was %d", h, got.Ino, h.ino)
		case mtime.Before(h.mtime):
			t.Fatalf("fstat %s: its time is %v, and it was %v", h, mtime, h.mtime)
		}
		h.mtime = mtime
		w.compareBlocks(t, h, got)
		w.comparePosition(t, h)
	}
}

// comparePosition compares where the two sides of a handle stand.
func (w *world) comparePosition(t *rapid.T, h *handle) {
	var at [sides]int64
	for side := range sides {
		var err error
		if at[side], err = unix.Seek(h.fd[side], 0, unix.SEEK_CUR); err != nil {
			t.Fatal(err)
		}
	}
	if at[local] != at[image] {
		t.Fatalf("position of %s: %d, and %d on the mount", h, at[local], at[image])
	}
}

// compareOne compares all bytes of a file, by one of several ways.
func (w *world) compareOne(t *rapid.T) {
	w.compareFile(t, w.name(t, "name"), rapid.IntRange(0, 7).Draw(t, "way"))
}

// compareAll compares every file by every way.
func (w *world) compareAll(t *rapid.T) {
	for _, name := range w.names {
		for way := range 4 {
			w.compareFile(t, name, way)
		}
	}
}

// compareFile compares all bytes of a file, unless the name has none. The ways
// see different caches: the page cache, librbd's, and none.
func (w *world) compareFile(t *rapid.T, name string, way int) {
	want, err := os.ReadFile(w.path(local, name))
	if os.IsNotExist(err) {
		return
	}
	var got []byte
	if err == nil {
		switch way {
		case 0:
			got, err = readAll(w.path(image, name), syscall.O_DIRECT)
		case 1:
			got, err = export(name)
		case 2:
			got, err = readMapped(w.path(image, name), len(want))
		default:
			got, err = readAll(w.path(image, name), 0)
		}
	}
	steps.Add(1)
	if err != nil {
		t.Fatalf("read all of %s, way %d: %v", name, way, err)
	}
	if !bytes.Equal(want, got) {
		t.Fatalf("all of %s, way %d: %s", name, way, difference(want, got))
	}
}

// readAll reads a file through a fresh handle, in pieces of random lengths.
func readAll(path string, flags int) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	var all []byte
	for {
		buf := make([]byte, 1+rand.IntN(1<<17))
		n, err := syscall.Read(fd, buf)
		if err != nil || n == 0 {
			return all, err
		}
		all = append(all, buf[:n]...)
	}
}

// readMapped reads a file of a size through a fresh mapping.
func readMapped(path string, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	all := bytes.Clone(mem)
	return all, unix.Munmap(mem)
}

// export flushes a file and reads the image by the rbd command.
func export(name string) ([]byte, error) {
	f, err := os.OpenFile(env.Mount.Path(name), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return nil, err
	}
	out, err := env.Cluster.RBD(context.Background(), "export", "--no-progress", env.Pool+"/"+name, "-")
	return []byte(out), err
}
