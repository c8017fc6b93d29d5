package rbdio

import "time"

// Snapshot is one snapshot that a user made of an image.
type Snapshot struct {
	ID   uint64 // of its image; never given to another one
	Name string
	Size uint64 // the image's at that moment, in bytes
	Time time.Time
}

// SnapshotLister tells of images' snapshots. Calls may overlap.
type SnapshotLister interface {
	// ListSnapshots returns the snapshots that users made of an image, the oldest
	// first; not those of groups, of mirroring, nor removed ones that clones still
	// need. ENOENT for an image that there is not.
	ListSnapshots(imageID string) ([]Snapshot, error)
	// StatSnapshot reads what Stat does of an image, as of one of its snapshots:
	// the times are the snapshot's. ENOENT for one that was removed.
	StatSnapshot(imageID string, snapID uint64) (Info, error)
}

// SnapshotOpener opens images as of a snapshot: what it returns only reads.
// Calls may overlap.
type SnapshotOpener interface {
	// OpenSnapshot opens an image as of one of its snapshots; ENOENT. It leaves no
	// watcher. When the snapshot is removed meanwhile, reads and extents answer
	// ESTALE.
	OpenSnapshot(imageID string, snapID uint64) (SnapshotImage, error)
}

// SnapshotImage is an image open as of a snapshot, which can be compared with the
// image as of an older one: by that one's id, or with 0 as it was before it held
// anything. Both answer ESTALE when one of the two was removed, and EINVAL for one
// that is not older.
type SnapshotImage interface {
	ReadImage
	// Changed returns where the image may have changed, in order and not
	// overlapping, by whole objects: without a search where the image has a fast
	// diff that can be believed, and all of the image elsewhere.
	Changed(older uint64) ([]Extent, error)
	// Diff returns what of [fileOff, fileOff+length) may have changed, in order and
	// not overlapping, exactly, by a search of the objects.
	Diff(older, fileOff, length uint64) ([]DiffExtent, error)
}

// DiffExtent is a range that may have changed.
type DiffExtent struct {
	Extent
	Zero bool // it reads as zeros now
}

// SnapshotMaker makes, removes and renames snapshots. Calls may overlap.
type SnapshotMaker interface {
	// CreateSnapshot takes a snapshot of what the OSDs have of an image, and of
	// what its user has completed; EEXIST, EPERM, EDQUOT.
	CreateSnapshot(imageID, name string) error
	// RemoveSnapshot removes a snapshot, also a protected one; ENOENT, and EBUSY,
	// naming them, when it has clones.
	RemoveSnapshot(imageID, name string) error
	// RenameSnapshot changes a snapshot's name; ENOENT, EEXIST.
	RenameSnapshot(imageID, name, newName string) error
}

// SnapshotCloner makes images of snapshots. Calls may overlap.
type SnapshotCloner interface {
	// CloneSnapshot makes a copy-on-write clone of a snapshot and returns its id;
	// ENOENT, EEXIST, EINVAL, EPERM. It has a copy of the image's metadata.
	CloneSnapshot(imageID string, snapID uint64, name string) (id string, err error)
}

// Snapshots is all that a pool does with snapshots.
type Snapshots interface {
	SnapshotLister
	SnapshotOpener
	SnapshotMaker
	SnapshotCloner
}
