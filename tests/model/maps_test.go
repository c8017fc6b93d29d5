package model

import (
	"slices"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// maxMaps is how many mappings there are at once.
const maxMaps = 3

// mapping is a range of a file mapped on both sides, from the start of the file,
// so that it can be looked at by the file's own offsets.
type mapping struct {
	*file
	mem    [sides][]byte
	shared bool
	writes bool
}

// mapFile maps a file into memory.
func (w *world) mapFile(t *rapid.T) {
	if !w.config.maps || len(w.maps) == maxMaps {
		t.Skip("no more mappings")
	}
	h := w.handle(t)
	m := &mapping{file: h.file}
	m.shared = rapid.Bool().Draw(t, "shared")
	m.writes = rapid.Bool().Draw(t, "writable")
	prot, flags := unix.PROT_READ, unix.MAP_PRIVATE
	if m.shared {
		flags = unix.MAP_SHARED
	}
	if m.writes {
		prot |= unix.PROT_WRITE
	}
	a := w.both(t, "mmap", func(side int) (a answer) {
		m.mem[side], a.err = unix.Mmap(h.fd[side], 0, int(wholePages(w.limit)), prot, flags)
		return a
	})
	if a.err == nil {
		w.maps = append(w.maps, m)
	}
}

// wholePages rounds a length up.
func wholePages(n int64) int64 { return (n + page - 1) / page * page }

// mapping draws a mapping and a range in it that lies in the file.
func (w *world) mapping(t *rapid.T) (m *mapping, off, end int64) {
	if len(w.maps) == 0 {
		t.Skip("nothing is mapped")
	}
	m = rapid.SampledFrom(w.maps).Draw(t, "mapping")
	size := m.size(t)
	off = min(w.offset(t, size), size)
	return m, off, min(off+w.length(t, off), size)
}

// load reads mapped memory, maybe up to the end of the file's last page: there
// are zeros, and SIGBUS behind it.
func (w *world) load(t *rapid.T) {
	m, off, end := w.mapping(t)
	if end == m.size(t) {
		end = wholePages(end)
	}
	w.both(t, "load "+m.String(), func(side int) answer { return answer{data: slices.Clone(m.mem[side][off:end])} })
}

// store changes mapped memory.
func (w *world) store(t *rapid.T) {
	m, off, end := w.mapping(t)
	if !m.writes {
		t.Skip("mapped for reading")
	}
	b := data(t, end-off)
	w.both(t, "store "+m.String(), func(side int) answer { return answer{n: int64(copy(m.mem[side][off:end], b))} })
}

// msync writes a mapping back.
func (w *world) msync(t *rapid.T) {
	m, _, _ := w.mapping(t)
	flags := rapid.SampledFrom([]int{unix.MS_SYNC, unix.MS_ASYNC}).Draw(t, "flags")
	w.both(t, "msync", func(side int) answer { return answer{err: unix.Msync(m.mem[side], flags)} })
}

// unmap ends a mapping.
func (w *world) unmap(t *rapid.T) {
	if len(w.maps) == 0 {
		t.Skip("nothing is mapped")
	}
	w.dropMap(t, rapid.IntRange(0, len(w.maps)-1).Draw(t, "mapping"))
}

func (w *world) dropMap(t *rapid.T, i int) {
	m := w.maps[i]
	w.maps = slices.Delete(w.maps, i, i+1)
	w.both(t, "munmap", func(side int) answer { return answer{err: unix.Munmap(m.mem[side])} })
}

// writeBack writes all mappings back. The kernel does not do so before it asks a
// FUSE server for holes or attributes (fs/fuse/file.c, fuse_lseek), which cannot
// know of data that is in the page cache alone.
func (w *world) writeBack(t *rapid.T) {
	for _, m := range w.maps {
		if err := unix.Msync(m.mem[image], unix.MS_SYNC); err != nil {
			t.Fatal(err)
		}
	}
}

// GoString names the mapping in rapid's list of draws.
func (m *mapping) GoString() string { return m.String() }

// String names the mapping in a failure.
func (m *mapping) String() string {
	if m.shared {
		return "shared"
	}
	return "private"
}
