package librbd

import (
	"cmp"
	"errors"
	"slices"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// groupDirectoryObject maps the names of a pool's groups to their ids and back.
const groupDirectoryObject = "rbd_group_directory"

// groupObject is the object that holds what is known of a group.
func groupObject(id string) string { return "rbd_group_header." + id }

// ListGroups returns every consistency group, in the order of their names.
//
// Calls rados_read_op_exec with group_dir_list.
func (p *Pool) ListGroups() ([]rbdio.Entry, error) {
	return p.directory(groupDirectoryObject, "group_dir_list", "list the groups")
}

// ListGroupImages returns the ids of the images of this pool that are in a group;
// ENOENT.
//
// Calls rados_read_op_exec with group_image_list.
func (p *Pool) ListGroupImages(groupID string) (ids []string, err error) {
	err = p.read(func(s *session) error {
		members, err := s.groupImages(groupID)
		ids = nil
		for _, m := range members {
			if m.PoolID == 0 {
				ids = append(ids, m.ImageID)
			}
		}
		return err
	})
	return ids, err
}

// groupImages returns the images that are in a group, without snapshot ids.
func (s *session) groupImages(groupID string) (list []rbdio.Member, err error) {
	what := "list the images of group " + groupID
	for last := (groupImage{poolID: -1}); ; {
		in := last.encode(new(encoder)).u64(pageSize)
		out, errno := readStep(s.io, groupObject(groupID), "group_image_list", in.b)
		if errno != 0 {
			return nil, s.check(errno, "%s", what)
		}
		page, ok := decodeGroupImages(out)
		if !ok {
			return nil, s.because(syscall.EIO, "the answer cannot be understood", "%s", what)
		}
		for _, g := range page {
			list = append(list, rbdio.Member{PoolID: s.otherPool(g.poolID), ImageID: g.imageID})
		}
		if len(page) < pageSize {
			return list, nil
		}
		last = page[len(page)-1]
	}
}

// otherPool returns a pool's id as rbdio.Member has it: 0 for the session's own.
func (s *session) otherPool(id int64) int64 {
	if id == s.io.GetPoolID() {
		return 0
	}
	return id
}

// ListGroupSnapshots returns a group's complete snapshots, the oldest first;
// ENOENT.
//
// Calls rados_read_op_exec with group_snap_list, and with snapshot_get for times.
func (p *Pool) ListGroupSnapshots(groupID string) (list []rbdio.GroupSnapshot, err error) {
	err = p.read(func(s *session) error {
		all, err := s.groupSnaps(groupID)
		if err != nil {
			return err
		}
		list = make([]rbdio.GroupSnapshot, 0, len(all))
		for _, g := range all {
			if g.complete {
				list = append(list, g.GroupSnapshot)
			}
		}
		if err := s.timeGroupSnaps(list); err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b rbdio.GroupSnapshot) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Name, b.Name))
		})
		return nil
	})
	return list, err
}

// groupSnaps returns all of a group's snapshots, without their times.
func (s *session) groupSnaps(groupID string) (list []groupSnap, err error) {
	what := "list the snapshots of group " + groupID
	for last := (groupSnap{}); ; {
		in := last.encode(new(encoder)).u64(pageSize)
		out, errno := readStep(s.io, groupObject(groupID), "group_snap_list", in.b)
		if errno != 0 {
			return nil, s.check(errno, "%s", what)
		}
		page, ok := decodeGroupSnaps(out)
		if !ok {
			return nil, s.because(syscall.EIO, "the answer cannot be understood", "%s", what)
		}
		for _, g := range page {
			for i := range g.Members {
				g.Members[i].PoolID = s.otherPool(g.Members[i].PoolID)
			}
		}
		list = append(list, page...)
		if len(page) < pageSize {
			return list, nil
		}
		last = page[len(page)-1]
	}
}

// timeGroupSnaps fills in the times of group snapshots, which RBD keeps with their
// members alone. Most have a member in common: it is asked for many at once, and
// the next one for what is still without a time.
func (s *session) timeGroupSnaps(list []rbdio.GroupSnapshot) error {
	for nth := 0; ; nth++ {
		want := make(map[rbdio.Member][]*rbdio.GroupSnapshot) // by image, without a snapshot's id
		for i := range list {
			if g := &list[i]; g.Time.IsZero() && nth < len(g.Members) {
				m := g.Members[nth]
				m.SnapID = 0
				want[m] = append(want[m], g)
			}
		}
		if len(want) == 0 {
			return nil
		}
		for m, snaps := range want {
			for some := range slices.Chunk(snaps, snapsAtOnce) {
				if err := s.timeByMember(m, some, nth); rbdio.IsFenced(err) {
					return err
				}
			}
		}
	}
}

// timeByMember asks one image for the times of group snapshots whose nth member
// it is.
func (s *session) timeByMember(m rbdio.Member, list []*rbdio.GroupSnapshot, nth int) error {
	s, err := s.in(m.PoolID)
	if err != nil {
		return err
	}
	ids := make([]uint64, len(list))
	for i, g := range list {
		ids[i] = g.Members[nth].SnapID
	}
	snaps, err := s.appendSnaps(nil, m.ImageID, ids, snapNamespaceGroup, "ask for the time of group snapshots")
	times := make(map[uint64]time.Time, len(snaps))
	for _, snap := range snaps {
		times[snap.ID] = snap.Time
	}
	for i, g := range list {
		g.Time = times[ids[i]]
	}
	return err
}

// findGroupSnap returns the snapshot of a group that has a name, complete or not;
// ENOENT.
func (s *session) findGroupSnap(groupID, name, what string) (groupSnap, error) {
	all, err := s.groupSnaps(groupID)
	if err != nil {
		return groupSnap{}, err
	}
	if i := slices.IndexFunc(all, func(g groupSnap) bool { return g.Name == name }); i >= 0 {
		return all[i], nil
	}
	return groupSnap{}, s.check(syscall.ENOENT, "%s", what)
}

// memberErrno gives the error of a call on a member the errno that a file has
// that may not be read.
func memberErrno(err error) error {
	if errors.Is(err, syscall.EPERM) {
		return &rbdio.Error{Op: err.Error(), Errno: syscall.EACCES, Why: "this user's cephx caps do not reach it"}
	}
	return err
}
