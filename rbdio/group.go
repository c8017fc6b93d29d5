package rbdio

import (
	"fmt"
	"time"
)

// GroupSnapshot is one complete snapshot of a consistency group: of all images
// that were in the group then, at one moment.
type GroupSnapshot struct {
	ID      string // of its group; never given to another one
	Name    string
	Members []Member
	Time    time.Time // that of the first member that tells; zero when none does
}

// Member is one image as of a group snapshot.
type Member struct {
	PoolID  int64 // 0 for an image of this pool
	ImageID string
	SnapID  uint64 // of the image; it has no other snapshot of that id, of any kind
}

// ImageKey tells the member's image from all others of the cluster: an image's id
// is its own only in its pool.
func (m Member) ImageKey() string {
	if m.PoolID == 0 {
		return m.ImageID
	}
	return fmt.Sprintf("%d/%s", m.PoolID, m.ImageID)
}

// GroupLister tells of consistency groups. Calls may overlap.
type GroupLister interface {
	// ListGroups returns every consistency group, in the order of their names.
	ListGroups() ([]Entry, error)
	// ListGroupImages returns the ids of the images of this pool that are in a group
	// now; ENOENT.
	ListGroupImages(groupID string) ([]string, error)
	// ListGroupSnapshots returns a group's complete snapshots, the oldest first;
	// ENOENT.
	ListGroupSnapshots(groupID string) ([]GroupSnapshot, error)
	// MemberNames returns the name that each member's image has now, in the order of
	// members: POOL/IMAGE for one of another pool, and an id in place of a name that
	// cannot be read.
	MemberNames(members []Member) ([]string, error)
}

// GroupMaker makes, removes and renames group snapshots. Calls may overlap.
type GroupMaker interface {
	// CreateGroupSnapshot takes a snapshot of all of a group's images at one moment,
	// of what the OSDs have of them; ENOENT, EEXIST, EPERM, EDQUOT, and EBUSY when
	// another open image keeps the exclusive lock of one. After an error there is
	// none.
	CreateGroupSnapshot(groupID, name string) error
	// RemoveGroupSnapshot removes a group snapshot; ENOENT.
	RemoveGroupSnapshot(groupID, name string) error
	// RenameGroupSnapshot changes a group snapshot's name; ENOENT, EEXIST.
	RenameGroupSnapshot(groupID, name, newName string) error
}

// MemberOpener reads images as of a group snapshot, also those of other pools.
// Calls may overlap.
type MemberOpener interface {
	// StatMember is StatSnapshot of a member; EACCES where cephx lets us not.
	StatMember(m Member) (Info, error)
	// OpenMember is OpenSnapshot of a member; EACCES where cephx lets us not.
	OpenMember(m Member) (SnapshotImage, error)
}

// Groups is all that a pool does with consistency groups. Making them and adding
// images is left to the rbd command.
type Groups interface {
	GroupLister
	GroupMaker
	MemberOpener
}
