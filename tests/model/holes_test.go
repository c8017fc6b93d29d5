package model

import (
	"bytes"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// seekData asks where data is: all before must be zeros.
func (w *world) seekData(t *rapid.T) {
	w.writeBack(t)
	steps.Add(1)
	h := w.handle(t)
	size := h.size(t)
	off := w.offset(t, size)
	at, err := unix.Seek(h.fd[image], off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		at = max(size, off) // nothing but a hole up to the end
	case err != nil:
		t.Fatalf("SEEK_DATA from %d of %d: %v", off, size, err)
	case at < off || at >= size:
		t.Fatalf("SEEK_DATA from %d of %d: %d", off, size, at)
	}
	h.mustBeHole(t, off, at)
	w.stand(t, h)
}

// seekHole asks where a hole is: it must be one, up to the next data.
func (w *world) seekHole(t *rapid.T) {
	w.writeBack(t)
	steps.Add(1)
	h := w.handle(t)
	size := h.size(t)
	off := w.offset(t, size)
	at, err := unix.Seek(h.fd[image], off, unix.SEEK_HOLE)
	if (err == unix.ENXIO) != (off >= size) || err != nil && err != unix.ENXIO {
		t.Fatalf("SEEK_HOLE from %d of %d: %v", off, size, err)
	}
	w.stand(t, h)
	if err != nil {
		return
	}
	if at < off || at > size {
		t.Fatalf("SEEK_HOLE from %d of %d: %d", off, size, at)
	}
	if at == size {
		return
	}
	next, err := unix.Seek(h.fd[image], at, unix.SEEK_DATA)
	if err == unix.ENXIO {
		next = size
	}
	if next <= at {
		t.Fatalf("SEEK_HOLE from %d finds %d, and SEEK_DATA from there %d", off, at, next)
	}
	h.mustBeHole(t, at, next)
	w.stand(t, h)
}

// stand puts both sides of a handle at the model's position.
func (w *world) stand(t *rapid.T, h *handle) {
	at, err := unix.Seek(h.fd[local], 0, unix.SEEK_CUR)
	if err == nil {
		_, err = unix.Seek(h.fd[image], at, unix.SEEK_SET)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mustBeHole fails if there is data in [from, to).
func (f *file) mustBeHole(t *rapid.T, from, to int64) {
	b := f.bytes(t, from, to-from)
	if data := bytes.TrimLeft(b, "\x00"); len(data) > 0 {
		t.Fatalf("[%d, %d) is a hole, though there is data at %d", from, to, to-int64(len(data)))
	}
}

// compareBlocks checks what programs conclude from st_blocks.
func (w *world) compareBlocks(t *rapid.T, h *handle, st *unix.Stat_t) {
	if st.Blocks > (st.Size+511)/512 {
		t.Fatalf("%d blocks of 512 for a file of %d bytes", st.Blocks, st.Size)
	}
	if st.Blocks > 0 || st.Size == 0 {
		return
	}
	// tar then reads nothing.
	w.writeBack(t)
	if err := unix.Fstat(h.fd[image], st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks == 0 {
		h.mustBeHole(t, 0, st.Size)
	}
}
