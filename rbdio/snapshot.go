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
	OpenSnapshot(imageID string, snapID uint64) (ReadImage, error)
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
