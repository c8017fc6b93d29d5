package memrbd

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"

	"rbdfs/rbdio"
)

// group is a consistency group: its images, without snapshot ids, and its
// snapshots, the oldest first.
type group struct {
	rbdio.Entry
	images []rbdio.Member
	snaps  []*rbdio.GroupSnapshot
}

// groupLocked returns the group with an id.
func (p *Pool) groupLocked(op, id string) (*group, error) {
	for _, g := range p.groups {
		if g.ID == id {
			return g, nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s group %s", op, id)
}

// snapLocked returns the snapshot of a group that has a name.
func (g *group) snapLocked(op, name string) (*rbdio.GroupSnapshot, error) {
	for _, s := range g.snaps {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s snapshot %q of group %s", op, name, g.ID)
}

// freeLocked returns an error unless a snapshot can be given the name.
func (g *group) freeLocked(op, name string) error {
	if name == "" {
		return rbdio.Errorf(syscall.EINVAL, "%s a group snapshot without a name", op)
	}
	if _, err := g.snapLocked(op, name); err == nil {
		return rbdio.Errorf(syscall.EEXIST, "%s snapshot %q of group %s", op, name, g.ID)
	}
	return nil
}

// ListGroups returns all groups.
func (p *Pool) ListGroups() ([]rbdio.Entry, error) {
	if err := p.begin("ListGroups"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	list := make([]rbdio.Entry, len(p.groups))
	for i, g := range p.groups {
		list[i] = g.Entry
	}
	slices.SortFunc(list, func(a, b rbdio.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// ListGroupImages returns the images of this pool that are in a group.
func (p *Pool) ListGroupImages(groupID string) ([]string, error) {
	if err := p.begin("ListGroupImages"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	g, err := p.groupLocked("list the images of", groupID)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, m := range g.images {
		if m.PoolID == 0 {
			ids = append(ids, m.ImageID)
		}
	}
	return ids, nil
}

// ListGroupSnapshots returns a group's snapshots.
func (p *Pool) ListGroupSnapshots(groupID string) ([]rbdio.GroupSnapshot, error) {
	if err := p.begin("ListGroupSnapshots"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	g, err := p.groupLocked("list the snapshots of", groupID)
	if err != nil {
		return nil, err
	}
	list := make([]rbdio.GroupSnapshot, len(g.snaps))
	for i, s := range g.snaps {
		list[i] = *s
	}
	return list, nil
}

// MemberNames returns the members' names, also of images in the trash.
func (p *Pool) MemberNames(members []rbdio.Member) ([]string, error) {
	if err := p.begin("MemberNames"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = p.memberNameLocked(m)
	}
	return names, nil
}

// memberNameLocked returns a member's name, or its id.
func (p *Pool) memberNameLocked(m rbdio.Member) string {
	name := m.ImageKey()
	_ = p.memberLocked(m, func(pool *Pool) error {
		if img := pool.images[m.ImageID]; img != nil {
			name = img.name
			if m.PoolID != 0 {
				name = pool.options.Key + "/" + name
			}
		}
		return nil
	})
	return name
}

// memberLocked calls do with a member's pool, which it locks if it is another.
func (p *Pool) memberLocked(m rbdio.Member, do func(*Pool) error) error {
	if m.PoolID == 0 {
		return do(p)
	}
	other := p.others[m.PoolID]
	if other == nil {
		return rbdio.Errorf(syscall.ENOENT, "use pool %d", m.PoolID)
	}
	other.mu.Lock()
	defer other.mu.Unlock()
	return do(other)
}

// CreateGroupSnapshot takes a snapshot of what is on the OSDs.
func (p *Pool) CreateGroupSnapshot(groupID, name string) error {
	if err := p.begin("CreateGroupSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	return p.groupSnapshotLocked(groupID, name)
}

func (p *Pool) groupSnapshotLocked(groupID, name string) error {
	g, err := p.groupLocked("create a snapshot of", groupID)
	if err == nil {
		err = g.freeLocked("create", name)
	}
	if err != nil {
		return err
	}
	p.lastSnap++
	s := &rbdio.GroupSnapshot{ID: fmt.Sprint("gs", p.lastSnap), Name: name}
	for _, m := range g.images {
		if err := p.memberLocked(m, func(pool *Pool) error {
			img, err := pool.imageLocked("create a group snapshot of", m.ImageID)
			if err != nil {
				return err
			}
			snap := pool.newSnapshotLocked(img, ".group."+s.ID)
			img.groupSnaps = append(img.groupSnaps, snap)
			m.SnapID, s.Time = snap.ID, snap.Time
			return nil
		}); err != nil {
			return err
		}
		s.Members = append(s.Members, m)
	}
	g.snaps = append(g.snaps, s)
	return nil
}

// RemoveGroupSnapshot removes a group snapshot.
func (p *Pool) RemoveGroupSnapshot(groupID, name string) error {
	if err := p.begin("RemoveGroupSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	return p.removeGroupSnapshotLocked(groupID, name)
}

func (p *Pool) removeGroupSnapshotLocked(groupID, name string) error {
	g, err := p.groupLocked("remove a snapshot of", groupID)
	if err != nil {
		return err
	}
	s, err := g.snapLocked("remove", name)
	if err != nil {
		return err
	}
	for _, m := range s.Members {
		if err := p.memberLocked(m, func(pool *Pool) error {
			snap, err := pool.groupSnapIDLocked("remove", m)
			if err == nil {
				snap.removed = true
				snap.image.groupSnaps = slices.DeleteFunc(snap.image.groupSnaps, func(o *snapshot) bool { return o == snap })
			}
			return err
		}); err != nil {
			return err
		}
	}
	g.snaps = slices.DeleteFunc(g.snaps, func(o *rbdio.GroupSnapshot) bool { return o == s })
	return nil
}

// groupSnapIDLocked returns a member's snapshot, which is in this pool.
func (p *Pool) groupSnapIDLocked(op string, m rbdio.Member) (*snapshot, error) {
	img, err := p.imageLocked(op, m.ImageID)
	if err != nil {
		return nil, err
	}
	for _, s := range img.groupSnaps {
		if s.ID == m.SnapID {
			return s, nil
		}
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s group snapshot %d of image %s", op, m.SnapID, m.ImageID)
}

// RenameGroupSnapshot changes a group snapshot's name; EEXIST also when they are
// the same.
func (p *Pool) RenameGroupSnapshot(groupID, name, newName string) error {
	if err := p.begin("RenameGroupSnapshot"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	g, err := p.groupLocked("rename a snapshot of", groupID)
	if err != nil {
		return err
	}
	s, err := g.snapLocked("rename", name)
	if err != nil {
		return err
	}
	if err := g.freeLocked("rename to", newName); err != nil {
		return err
	}
	s.Name = newName
	return nil
}

// StatMember reads what there is to know of a member.
func (p *Pool) StatMember(m rbdio.Member) (info rbdio.Info, err error) {
	if err := p.begin("StatMember"); err != nil {
		return rbdio.Info{}, err
	}
	defer p.mu.Unlock()
	err = p.memberLocked(m, func(pool *Pool) error {
		s, err := pool.groupSnapIDLocked("stat", m)
		if err == nil {
			info = s.info()
		}
		return err
	})
	return info, err
}

// OpenMember opens a member for reading. The open image is one of its own pool.
func (p *Pool) OpenMember(m rbdio.Member) (img rbdio.SnapshotImage, err error) {
	if err := p.begin("OpenMember"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	err = p.memberLocked(m, func(pool *Pool) error {
		s, err := pool.groupSnapIDLocked("open", m)
		if err != nil {
			return err
		}
		img, err = pool.openSnapshotLocked(s)
		return err
	})
	return img, err
}

// AddGroup makes a consistency group of images of the pool, and returns its id.
func (f Foreign) AddGroup(name string, imageIDs ...string) string {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	g := &group{Entry: rbdio.Entry{Name: name, ID: fmt.Sprint("g", len(f.pool.groups)+1)}}
	for _, id := range imageIDs {
		g.images = append(g.images, rbdio.Member{ImageID: id})
	}
	f.pool.groups = append(f.pool.groups, g)
	return g.ID
}

// AddToGroup adds an image of another pool of the cluster to a group. That pool's
// name is its key.
func (f Foreign) AddToGroup(groupID string, poolID int64, pool *Pool, imageID string) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	g, err := f.pool.groupLocked("add an image to", groupID)
	if err == nil {
		f.pool.others[poolID] = pool
		g.images = append(g.images, rbdio.Member{PoolID: poolID, ImageID: imageID})
	}
	return err
}

// GroupSnapshot takes a snapshot of a group.
func (f Foreign) GroupSnapshot(groupID, name string) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	return f.pool.groupSnapshotLocked(groupID, name)
}

// RemoveGroupSnapshot removes a snapshot of a group.
func (f Foreign) RemoveGroupSnapshot(groupID, name string) error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	return f.pool.removeGroupSnapshotLocked(groupID, name)
}
