package memrbd

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"syscall"

	"rbdfs/rbdio"
)

// snapshot is one snapshot of an image.
type snapshot struct {
	rbdio.Snapshot
	image   *image
	attr    rbdio.Attr // the image's then
	durable objects
	clones  int
	removed bool
}

// snapshotLocked returns the snapshot with a name.
func (i *image) snapshotLocked(op, name string) (*snapshot, error) {
	for _, s := range i.snaps {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s snapshot %q of image %s", op, name, i.id)
}

// snapshotIDLocked returns the snapshot with an id.
func (p *Pool) snapshotIDLocked(op, imageID string, snapID uint64) (*snapshot, error) {
	img, err := p.imageLocked(op, imageID)
	if err != nil {
		return nil, err
	}
	for _, s := range img.snaps {
		if s.ID == snapID {
			return s, nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s snapshot %d of image %s", op, snapID, imageID)
}

// ListSnapshots returns an image's snapshots.
func (p *Pool) ListSnapshots(imageID string) ([]rbdio.Snapshot, error) {
	if err := p.begin("ListSnapshots"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("list the snapshots of", imageID)
	if err != nil {
		return nil, err
	}
	list := make([]rbdio.Snapshot, len(img.snaps))
	for i, s := range img.snaps {
		list[i] = s.Snapshot
	}
	return list, nil
}

// StatSnapshot reads what there is to know of a snapshot.
func (p *Pool) StatSnapshot(imageID string, snapID uint64) (rbdio.Info, error) {
	if err := p.begin("StatSnapshot"); err != nil {
		return rbdio.Info{}, err
	}
	defer p.mu.Unlock()
	s, err := p.snapshotIDLocked("stat", imageID, snapID)
	if err != nil {
		return rbdio.Info{}, err
	}
	return s.info(), nil
}

// info is what there is to know of a snapshot.
func (s *snapshot) info() rbdio.Info {
	info := rbdio.Info{
		ID: s.image.id, Size: s.Size, ObjectSize: s.durable.objectSize,
		Created: s.Time, Modified: s.Time, Accessed: s.Time,
		Allocated: int64(min(s.durable.allocated(), s.Size)),
	}
	mergeAttr(&info.Attr, s.attr)
	info.Attr.Changed = nil
	return info
}

// CreateSnapshot takes a snapshot of what is on the OSDs.
func (p *Pool) CreateSnapshot(imageID, name string) error {
	if err := p.begin("CreateSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("create a snapshot of", imageID)
	if err != nil {
		return err
	}
	return p.snapshotLocked(img, name)
}

func (p *Pool) snapshotLocked(img *image, name string) error {
	if err := img.freeSnapshotLocked("create", name); err != nil {
		return err
	}
	img.snaps = append(img.snaps, p.newSnapshotLocked(img, name))
	return nil
}

// newSnapshotLocked makes a snapshot that is in no list yet.
func (p *Pool) newSnapshotLocked(img *image, name string) *snapshot {
	p.lastSnap++
	s := &snapshot{
		Snapshot: rbdio.Snapshot{ID: p.lastSnap, Name: name, Size: img.size, Time: p.options.Now()},
		image:    img,
		durable:  img.durable.clone(),
	}
	mergeAttr(&s.attr, img.attr)
	return s
}

// freeSnapshotLocked returns an error unless a snapshot can be given the name.
func (i *image) freeSnapshotLocked(op, name string) error {
	if name == "" {
		return rbdio.Errorf(syscall.EINVAL, "%s a snapshot without a name", op)
	}
	if _, err := i.snapshotLocked(op, name); err == nil {
		return rbdio.Errorf(syscall.EEXIST, "%s snapshot %q of image %s", op, name, i.id)
	}
	return nil
}

// RemoveSnapshot removes a snapshot; EBUSY when it has clones.
func (p *Pool) RemoveSnapshot(imageID, name string) error {
	if err := p.begin("RemoveSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("remove a snapshot of", imageID)
	if err != nil {
		return err
	}
	return img.removeSnapshotLocked(name)
}

func (i *image) removeSnapshotLocked(name string) error {
	s, err := i.snapshotLocked("remove", name)
	if err != nil {
		return err
	}
	if s.clones > 0 {
		return &rbdio.Error{Op: "remove snapshot " + name, Errno: syscall.EBUSY, Why: fmt.Sprintf("it has %d clones", s.clones)}
	}
	s.removed = true
	i.snaps = slices.DeleteFunc(i.snaps, func(o *snapshot) bool { return o == s })
	return nil
}

// RenameSnapshot changes a snapshot's name; EEXIST also when they are the same.
func (p *Pool) RenameSnapshot(imageID, name, newName string) error {
	if err := p.begin("RenameSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("rename a snapshot of", imageID)
	if err != nil {
		return err
	}
	s, err := img.snapshotLocked("rename", name)
	if err != nil {
		return err
	}
	if err := img.freeSnapshotLocked("rename to", newName); err != nil {
		return err
	}
	s.Name = newName
	return nil
}

// CloneSnapshot makes an image of a snapshot. It is a copy, and the snapshot
// counts it until its data is deleted.
func (p *Pool) CloneSnapshot(imageID string, snapID uint64, name string) (string, error) {
	if err := p.begin("CloneSnapshot"); err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	s, err := p.snapshotIDLocked("clone", imageID, snapID)
	if err != nil {
		return "", err
	}
	id, err := p.createLocked(name)
	if err != nil {
		return "", err
	}
	img := p.images[id]
	img.size, img.durable, img.parent = s.Size, s.durable.clone(), s
	mergeAttr(&img.attr, s.image.attr)
	maps.Copy(img.metadata, s.image.metadata)
	s.clones++
	return id, nil
}

// deleteLocked deletes an image's data.
func (p *Pool) deleteLocked(img *image) {
	delete(p.images, img.id)
	if img.parent != nil {
		img.parent.clones--
	}
}

// Flatten ends a clone's tie to its parent, whose data it has already.
func (h writeHandle) Flatten(p *rbdio.Progress) error {
	if err := h.begin("Flatten"); err != nil {
		return err
	}
	defer h.pool.mu.Unlock()
	if h.image.parent == nil {
		return rbdio.Errorf(syscall.EINVAL, "flatten image %s, which has no parent", h.image.id)
	}
	p.Total.Store(2)
	p.Done.Store(1)
	if p.Stop.Load() != 0 {
		return rbdio.Errorf(syscall.ECANCELED, "flatten image %s", h.image.id)
	}
	p.Done.Store(2)
	h.image.parent.clones--
	h.image.parent = nil
	return nil
}

// snapHandle is a snapshot that this client has open. Its closing is that of a
// handle, so that OpenCounts knows of it.
type snapHandle struct {
	*handle
	snap *snapshot
}

var _ rbdio.SnapshotImage = snapHandle{}

// OpenSnapshot opens a snapshot for reading.
func (p *Pool) OpenSnapshot(imageID string, snapID uint64) (rbdio.SnapshotImage, error) {
	if err := p.begin("OpenSnapshot"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	s, err := p.snapshotIDLocked("open", imageID, snapID)
	if err != nil {
		return nil, err
	}
	return p.openSnapshotLocked(s)
}

func (p *Pool) openSnapshotLocked(s *snapshot) (rbdio.SnapshotImage, error) {
	h, err := p.newHandleLocked(s.image.id, false)
	if err != nil {
		return nil, err
	}
	return snapHandle{handle: h, snap: s}, nil
}

// begin is handle.begin, and refuses a snapshot that was removed.
func (h snapHandle) begin(op string) error {
	if err := h.handle.begin(op); err != nil {
		return err
	}
	if h.snap.removed {
		h.pool.mu.Unlock()
		return rbdio.Errorf(syscall.ESTALE, "%s on snapshot %q of image %s", op, h.snap.Name, h.image.id)
	}
	return nil
}

// ReadAt reads what the image held; ESTALE when the snapshot was removed.
func (h snapHandle) ReadAt(p []byte, fileOff uint64) (int, error) {
	if err := h.begin("ReadAt"); err != nil {
		return 0, err
	}
	defer h.pool.mu.Unlock()
	p = p[:min(uint64(len(p)), h.snap.Size-min(h.snap.Size, fileOff))]
	h.snap.durable.readAt(p, fileOff)
	return len(p), nil
}

// Size returns the image's size at that moment.
func (h snapHandle) Size() (uint64, error) {
	if err := h.begin("Size"); err != nil {
		return 0, err
	}
	defer h.pool.mu.Unlock()
	return h.snap.Size, nil
}

// Extents returns the objects that the image had.
func (h snapHandle) Extents(fileOff, length uint64) ([]rbdio.Extent, error) {
	if err := h.begin("Extents"); err != nil {
		return nil, err
	}
	defer h.pool.mu.Unlock()
	set := h.snap.durable.extents()
	set.Remove(h.snap.Size, math.MaxUint64)
	return set.Clip(fileOff, length), nil
}
