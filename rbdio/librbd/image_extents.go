package librbd

/*
#include <stdlib.h>
#include "image.h"
*/
import "C"

import (
	"sort"
	"unsafe"

	"rbdfs/rbdio"
)

// Extents returns what of [fileOff, fileOff+length) may hold data.
//
// Calls those of foreign, and rbd_diff_iterate2.
func (i *readImage) Extents(fileOff, length uint64) ([]rbdio.Extent, error) {
	size, err := i.Size()
	if err != nil {
		return nil, err
	}
	begin, end := fileOff, min(fileOff+length, size)
	if end < begin || fileOff+length < fileOff {
		end = max(begin, size)
	}
	if begin >= end {
		return nil, nil
	}
	valid, err := i.mapsValid()
	if err != nil {
		return nil, err
	}
	if !valid {
		return []rbdio.Extent{{Off: begin, Len: end - begin}}, nil
	}
	found := C.struct_rbdfs_extents{align: C.uint64_t(i.layout)}
	defer func() { C.free(unsafe.Pointer(found.list)) }()
	// From the start of an object to the end of one, or of the image.
	first := begin - begin%i.layout
	last := min(end+(i.layout-end%i.layout)%i.layout, size)
	errno := errnoOf(C.rbdfs_extents(i.handle, C.uint64_t(first), C.uint64_t(last-first), &found))
	if errno != 0 {
		return nil, i.s.check(errno, "find the extents of %s in %d bytes at %d", i.label, last-first, first)
	}
	if found.n == 0 {
		return nil, nil
	}
	list := make([]rbdio.Extent, found.n)
	for k, e := range unsafe.Slice(found.list, found.n) {
		list[k] = rbdio.Extent{Off: uint64(e.begin), Len: uint64(e.end - e.begin)}
	}
	return clip(list, begin, end), nil
}

// Extents asks by a handle of its own, open read-only. rbd_diff_iterate2 takes
// the image's size twice, and an assertion ends the process when the image was
// made smaller in between, by this client or, through the header's watch, by
// another (seen with rbd du on 16.2.15, src/librbd/api/DiffIterate.cc). The size
// that a read-only handle has does not change.
func (i *image) Extents(fileOff, length uint64) ([]rbdio.Extent, error) {
	if err := i.usable("find the extents of"); err != nil {
		return nil, err
	}
	still := &readImage{}
	if err := i.s.pool.open(i.s, i.id, noSnap, still, true); err != nil {
		return nil, err
	}
	defer still.Close()
	return still.Extents(fileOff, length)
}

// mapsValid tells whether object map and fast diff, if there are any, can be
// believed, and all data is where they look. It asks the OSD: an image that is open for
// reading has no watcher, so librbd would not hear of another client's invalidating them.
func (i *readImage) mapsValid() (bool, error) {
	foreign, flags, errno := i.s.foreign(i.id, i.snap)
	return !foreign && flags&(flagObjectMapInvalid|flagFastDiffInvalid) == 0,
		i.s.check(errno, "ask for the flags of %s", i.label)
}

// clip sorts and merges extents, and cuts off what is not in [begin, end).
func clip(list []rbdio.Extent, begin, end uint64) []rbdio.Extent {
	sort.Slice(list, func(a, b int) bool { return list[a].Off < list[b].Off })
	out := list[:0]
	for _, e := range list {
		from, to := max(e.Off, begin), min(e.End(), end)
		if from >= to {
			continue
		}
		if n := len(out); n > 0 && from <= out[n-1].End() {
			out[n-1].Len = max(out[n-1].End(), to) - out[n-1].Off
			continue
		}
		out = append(out, rbdio.Extent{Off: from, Len: to - from})
	}
	return out
}
