package librbd

/*
#include <stdlib.h>
#include "diff.h"
*/
import "C"

import (
	"errors"
	"syscall"
	"unsafe"

	"rbdfs/rbdio"
)

// Changed returns where the image may have changed since an older snapshot, by the
// object maps of both and of all between them. It does not leave that to librbd,
// whose rbd_diff_iterate2 with whole_object misses what was discarded: of an image
// that is smaller in the next snapshot and larger again in the one after that, it
// says that nothing has changed (16.2.15: rbd diff --whole-object --from-snap).
//
// Calls rados_read_op_exec with get_snapcontext, get_flags, get_size,
// object_map_load and snapshot_get.
func (i *snapshotImage) Changed(older uint64) ([]rbdio.Extent, error) {
	size, err := i.Size()
	if err != nil || size == 0 {
		return nil, err
	}
	list, known, err := i.changedByMaps(older, size)
	if err == nil {
		err = i.bothThere(older)
	}
	if err != nil {
		return nil, err
	}
	if !known {
		return []rbdio.Extent{{Len: size}}, nil
	}
	return list, nil
}

// changedByMaps is Changed where the object maps tell; false where there are none,
// or one of them is not to be believed.
func (i *snapshotImage) changedByMaps(older, size uint64) ([]rbdio.Extent, bool, error) {
	if i.features&featureFastDiff == 0 || i.features&featureStriping != 0 || elsewhere(i.features) {
		return nil, false, nil
	}
	ids, err := i.snapsSince(older)
	if err != nil {
		return nil, false, err
	}
	// Before and after, since a map may be found invalid, or be made anew, meanwhile.
	needed, valid, err := i.s.mapsValid(i.id, ids, i.label)
	if err != nil || !valid {
		return nil, false, err
	}
	var list []rbdio.Extent
	if older == 0 {
		list, err = i.readImage.Extents(0, size)
	} else {
		list, valid, err = i.compareMaps(ids, needed, size)
	}
	if err != nil || !valid {
		return nil, false, err
	}
	_, valid, err = i.s.mapsValid(i.id, ids, i.label)
	return list, valid, err
}

// snapsSince returns the ids of all snapshots from an older one to this.
func (i *snapshotImage) snapsSince(older uint64) ([]uint64, error) {
	all, err := i.s.snapIDs(i.id, "list the snapshots of "+i.label)
	var ids []uint64
	for _, id := range all {
		if id >= older && id <= i.snap {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// mapsValid tells whether no flag of some snapshots says that an object map is
// invalid, and how many objects each map must tell of.
func (s *session) mapsValid(imageID string, ids []uint64, label string) (objects []uint64, valid bool, err error) {
	for len(ids) > 0 {
		n := min(len(ids), snapsAtOnce)
		var steps []step
		for _, id := range ids[:n] {
			in := new(encoder).u64(id).b
			steps = append(steps, step{method: "get_flags", in: in}, step{method: "get_size", in: in})
		}
		if errno := readSteps(s.io, headerObject(imageID), steps); errno != 0 {
			return nil, false, s.check(errno, "ask for the flags of %s", label)
		}
		for k := range ids[:n] {
			needed, ok := validMap(steps[2*k], steps[2*k+1])
			if !ok {
				return nil, false, nil // also for a snapshot that was removed meanwhile
			}
			objects = append(objects, needed)
		}
		ids = ids[n:]
	}
	return objects, true, nil
}

// validMap reads the answers to get_flags and get_size.
func validMap(flags, size step) (objects uint64, ok bool) {
	f, d := &decoder{b: flags.out}, &decoder{b: size.out}
	set, order, bytes := f.u64(), d.u8(), d.u64()
	if flags.errno != 0 || size.errno != 0 || f.err != nil || d.err != nil || order >= 64 {
		return 0, false
	}
	objects = bytes >> order
	if bytes&(1<<order-1) != 0 {
		objects++
	}
	return objects, set&(flagObjectMapInvalid|flagFastDiffInvalid) == 0
}

// compareMaps goes from one snapshot's object map to the next one's, the oldest
// first: a snapshot that is removed leaves what it knew in the next one's map
// before its own goes. False when a map is missing or too short.
func (i *snapshotImage) compareMaps(ids, needed []uint64, size uint64) ([]rbdio.Extent, bool, error) {
	var before objectMap
	var changed objectBits
	for k, id := range ids {
		out, errno := readStep(i.s.io, snapObjectMapObject(i.id, id), "object_map_load", nil)
		if errno == syscall.ENOENT {
			return nil, false, nil
		}
		if errno != 0 {
			return nil, false, i.s.check(errno, "load the object map of snapshot %d of %s", id, i.label)
		}
		now, err := decodeObjectMap(out)
		if err != nil || now.objects < needed[k] {
			return nil, false, nil
		}
		now = now.cut(needed[k])
		if k > 0 {
			changed.compare(before, now)
		}
		before = now
	}
	return clip(changed.extents(i.layout), 0, size), true, nil
}

// Diff returns what of a range has changed since an older snapshot, as the OSDs
// know it of each object; all of it where data may be elsewhere.
//
// Calls rbd_diff_iterate2, those of foreign, and rados_read_op_exec with
// parent_overlap_get and snapshot_get.
func (i *snapshotImage) Diff(older, fileOff, length uint64) ([]rbdio.DiffExtent, error) {
	foreign, _, errno := i.s.foreign(i.id, i.snap)
	if foreign || errno != 0 {
		if err := i.bothThere(older); err != nil {
			return nil, err
		}
		return []rbdio.DiffExtent{{Extent: rbdio.Extent{Off: fileOff, Len: length}}}, i.s.check(errno, "compare %s", i.label)
	}
	overlap, err := i.parentOverlap()
	if err != nil {
		return nil, err
	}
	changes, err := i.diff(older, fileOff, length)
	if err != nil {
		return nil, err
	}
	var data, zeros rbdio.ExtentSet
	for _, c := range changes {
		if !c.Zero {
			data.Add(c.Off, c.Len)
			continue
		}
		// What has no object of its own reads as the parent's.
		backed := min(c.End(), max(c.Off, overlap))
		data.Add(c.Off, backed-c.Off)
		zeros.Add(backed, c.End()-backed)
	}
	for _, e := range data.Extents() {
		zeros.Remove(e.Off, e.Len)
	}
	return rbdio.MergeDiff(&data, &zeros, fileOff, length), nil
}

// parentOverlap returns how much of the image a parent backs.
//
// Calls rados_read_op_exec with parent_overlap_get.
func (i *snapshotImage) parentOverlap() (uint64, error) {
	out, errno := readStep(i.s.io, headerObject(i.id), "parent_overlap_get", new(encoder).u64(i.snap).b)
	if errno != 0 {
		if gone := i.stillThere(); gone != nil {
			return 0, gone
		}
		return 0, i.s.check(errno, "ask for the parent of %s", i.label)
	}
	d := &decoder{b: out}
	overlap := uint64(0)
	if d.u8() != 0 {
		overlap = d.u64()
	}
	if d.err != nil {
		return 0, i.s.because(syscall.EIO, "the answer cannot be understood", "ask for the parent of %s", i.label)
	}
	return overlap, nil
}

// diff collects what changed since an older snapshot; it counts only when both
// snapshots are there afterwards.
func (i *snapshotImage) diff(older, fileOff, length uint64) ([]rbdio.DiffExtent, error) {
	if err := i.usable("compare"); err != nil {
		return nil, err
	}
	var found C.struct_rbdfs_changes
	defer func() { C.free(unsafe.Pointer(found.list)) }()
	errno := errnoOf(C.rbdfs_diff(i.handle, C.uint64_t(older), C.uint64_t(fileOff), C.uint64_t(length), &found))
	if err := i.bothThere(older); err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, i.s.check(errno, "compare %d bytes at %d of %s with snapshot %d", length, fileOff, i.label, older)
	}
	list := make([]rbdio.DiffExtent, found.n)
	for k, c := range unsafe.Slice(found.list, found.n) {
		list[k] = rbdio.DiffExtent{
			Extent: rbdio.Extent{Off: uint64(c.begin), Len: uint64(c.end - c.begin)},
			Zero:   !bool(c.exists),
		}
	}
	return list, nil
}

// bothThere asks whether this snapshot and an older one, unless it is 0, are
// there; ESTALE.
func (i *snapshotImage) bothThere(older uint64) error {
	if older != 0 {
		_, err := i.s.userSnapshot(i.id, older, "compare a snapshot of "+i.label)
		if errors.Is(err, syscall.ENOENT) {
			return i.s.because(syscall.ESTALE, "the older snapshot was removed", "compare a snapshot of %s", i.label)
		}
		if err != nil {
			return err
		}
	}
	return i.stillThere()
}
