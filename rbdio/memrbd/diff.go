package memrbd

import (
	"bytes"
	"math"
	"syscall"

	"rbdfs/rbdio"
)

// Changed returns the objects that are not as they were.
func (h snapHandle) Changed(older uint64) ([]rbdio.Extent, error) {
	if err := h.begin("Changed"); err != nil {
		return nil, err
	}
	defer h.pool.mu.Unlock()
	data, zeros, err := h.changedLocked(older)
	if err != nil {
		return nil, err
	}
	for _, e := range zeros.Extents() {
		data.Add(e.Off, e.Len)
	}
	return data.Extents(), nil
}

// Diff returns the objects that are not as they were.
func (h snapHandle) Diff(older, fileOff, length uint64) ([]rbdio.DiffExtent, error) {
	if err := h.begin("Diff"); err != nil {
		return nil, err
	}
	defer h.pool.mu.Unlock()
	data, zeros, err := h.changedLocked(older)
	if err != nil {
		return nil, err
	}
	return rbdio.MergeDiff(&data, &zeros, fileOff, length), nil
}

// changedLocked compares each object with that of an older snapshot.
func (h snapHandle) changedLocked(older uint64) (data, zeros rbdio.ExtentSet, err error) {
	before := newObjects(h.snap.durable.objectSize)
	if older != 0 {
		s, err := h.pool.snapshotIDLocked("compare with", h.image.id, older)
		if err != nil {
			return data, zeros, rbdio.Errorf(syscall.ESTALE, "compare with snapshot %d of image %s", older, h.image.id)
		}
		if older >= h.snap.ID {
			return data, zeros, rbdio.Errorf(syscall.EINVAL, "compare with a newer snapshot of image %s", h.image.id)
		}
		before = s.durable
	}
	now := h.snap.durable
	for no, object := range now.data {
		if was, ok := before.data[no]; !ok || !bytes.Equal(was, object) {
			data.Add(no*now.objectSize, now.objectSize)
		}
	}
	for no := range before.data {
		if _, ok := now.data[no]; !ok {
			zeros.Add(no*now.objectSize, now.objectSize)
		}
	}
	data.Remove(h.snap.Size, math.MaxUint64)
	zeros.Remove(h.snap.Size, math.MaxUint64)
	return data, zeros, nil
}
