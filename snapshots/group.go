package snapshots

import (
	"cmp"
	"errors"
	"slices"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// Groups is a pool's consistency groups, as one mount sees them. Its methods may
// overlap.
type Groups struct {
	pool  rbdio.Groups
	files *rbdio.Files

	groups recent[[]rbdio.Entry]         // by ""
	snaps  recent[[]rbdio.GroupSnapshot] // by group id
	names  recent[[]string]              // of members, by group snapshot id
}

// NewGroups returns the groups of pool, whose images are open through files.
func NewGroups(pool rbdio.Groups, files *rbdio.Files) *Groups {
	return &Groups{pool: pool, files: files}
}

// List returns all groups, in the order of their names, and when that was so.
func (g *Groups) List() ([]rbdio.Entry, time.Time, error) {
	return g.groups.get("", g.pool.ListGroups)
}

// Find returns the id of the group called name, and when it had that; ENOENT.
func (g *Groups) Find(name string) (id string, at time.Time, err error) {
	groups, at, err := g.List()
	if err != nil {
		return "", at, err
	}
	for _, e := range groups {
		if e.Name == name {
			return e.ID, at, nil
		}
	}
	return "", at, rbdio.Errorf(syscall.ENOENT, "find group %q", name)
}

// Snapshots returns a group's snapshots, the oldest first, and when that was so;
// ENOENT.
func (g *Groups) Snapshots(groupID string) ([]rbdio.GroupSnapshot, time.Time, error) {
	snaps, at, err := g.snaps.get(groupID, func() ([]rbdio.GroupSnapshot, error) { return g.pool.ListGroupSnapshots(groupID) })
	if errors.Is(err, syscall.ENOENT) {
		g.Forget() // the kernel asks at once whether there is a new group of the name
	}
	return snaps, at, err
}

// Snapshot returns the snapshot of a group with an id; ENOENT.
func (g *Groups) Snapshot(groupID, snapID string) (rbdio.GroupSnapshot, error) {
	snaps, _, err := g.Snapshots(groupID)
	if err != nil {
		return rbdio.GroupSnapshot{}, err
	}
	if i := slices.IndexFunc(snaps, func(s rbdio.GroupSnapshot) bool { return s.ID == snapID }); i >= 0 {
		return snaps[i], nil
	}
	return rbdio.GroupSnapshot{}, rbdio.Errorf(syscall.ENOENT, "find snapshot %s of group %s", snapID, groupID)
}

// Member is a member of a group snapshot, and what its image is called.
type Member struct {
	rbdio.Member
	Name string
}

// Members returns the members of a group snapshot, in the order of their names;
// ENOENT.
func (g *Groups) Members(groupID, snapID string) ([]Member, error) {
	snap, err := g.Snapshot(groupID, snapID)
	if err != nil {
		return nil, err
	}
	names, _, err := g.names.get(snapID, func() ([]string, error) { return g.pool.MemberNames(snap.Members) })
	if err != nil {
		return nil, err
	}
	count := make(map[string]int)
	for _, name := range names {
		count[name]++
	}
	list := make([]Member, len(snap.Members))
	for i, m := range snap.Members {
		list[i] = Member{Member: m, Name: names[i]}
		if count[names[i]] > 1 { // an image in the trash, and the one that has its name now
			list[i].Name += "@" + m.ImageID
		}
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Create takes a snapshot of a group's images that has everything written through
// this mount before; EEXIST.
func (g *Groups) Create(groupID, name string) error {
	defer g.Forget()
	ids, err := g.pool.ListGroupImages(groupID)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	return g.still(ids, func() error { return g.pool.CreateGroupSnapshot(groupID, name) })
}

// still runs do while all of the images hold still, as far as this mount writes to
// them. Whoever holds several takes them in the order of their ids, so that none
// waits for another for ever.
func (g *Groups) still(ids []string, do func() error) error {
	if len(ids) == 0 {
		return do()
	}
	rest := func() error { return g.still(ids[1:], do) }
	f := g.files.Hold(ids[0])
	if f == nil {
		return rest()
	}
	defer g.files.Put(f)
	return f.Still(rest)
}

// Remove removes a group snapshot; ENOENT.
func (g *Groups) Remove(groupID, name string) error {
	defer g.Forget()
	return g.pool.RemoveGroupSnapshot(groupID, name)
}

// Rename changes a group snapshot's name; EEXIST.
func (g *Groups) Rename(groupID, name, newName string) error {
	defer g.Forget()
	return g.pool.RenameGroupSnapshot(groupID, name, newName)
}

// Forget drops what was known before a change, of a group snapshot or of an
// image's name.
func (g *Groups) Forget() {
	g.groups.forget()
	g.snaps.forget()
	g.names.forget()
}
