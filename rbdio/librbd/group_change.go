package librbd

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// CreateGroupSnapshot takes a snapshot of all of a group's images at one moment,
// and keeps their modes and owners with it; ENOENT, EEXIST, EPERM, EDQUOT, EBUSY,
// EINVAL for a name that the rbd command could not address. librbd takes the
// exclusive locks of all images before the first snapshot, from this client's
// open images, too, which get them back with their next write.
//
// Calls rbd_group_snap_create, rados_lock_exclusive and rados_unlock.
func (p *Pool) CreateGroupSnapshot(groupID, name string) error {
	what := fmt.Sprintf("create snapshot %q of group %s", name, groupID)
	if err := nameable(what, name); err != nil {
		return err
	}
	return p.change(what, func(s *session) error {
		group, err := s.nameIn(groupDirectoryObject, groupID, what)
		if err != nil {
			return err
		}
		unlock, err := s.lockGroup(groupID, what)
		if err != nil {
			return err
		}
		defer unlock()
		attrs, err := s.memberAttrs(groupID)
		if err != nil {
			return err
		}
		if errno := patiently(func() syscall.Errno {
			return errnoFrom(rbd.GroupSnapCreate(s.io, group, name))
		}); errno != 0 {
			return s.groupSnapRefused(errno, groupID, name, what)
		}
		s.keepMemberAttrs(groupID, name, attrs)
		return nil
	})
}

// groupSnapRefused says why there is no group snapshot, where the errno does not.
func (s *session) groupSnapRefused(errno syscall.Errno, groupID, name, what string) error {
	switch errno {
	case syscall.EROFS, syscall.EBUSY, syscall.EAGAIN:
		return s.because(syscall.EBUSY, "the exclusive lock of one of its images is kept, by a mount with --exclusive or the like; "+
			"close what is open for writing there", "%s", what)
	case syscall.EEXIST:
		if g, err := s.findGroupSnap(groupID, name, what); err == nil && !g.complete {
			return s.because(errno, "an incomplete snapshot, which is not listed, has the name; if it is not being made, "+
				"its creation was cut off, and rbd group snap rm removes it", "%s", what)
		}
	}
	return s.check(errno, "%s", what)
}

// memberAttrs returns the attributes that are kept with a group's images. One
// that cannot be read is left to librbd to refuse.
func (s *session) memberAttrs(groupID string) (map[string]rbdio.Attr, error) {
	images, err := s.groupImages(groupID)
	if err != nil {
		return nil, err
	}
	attrs := make(map[string]rbdio.Attr, len(images))
	for _, m := range images {
		other, err := s.in(m.PoolID)
		if err != nil {
			continue
		}
		if h, err := other.header(m.ImageID, noSnap); err == nil {
			attrs[m.ImageKey()] = parseAttr(h.ours)
		}
	}
	return attrs, nil
}

// keepMemberAttrs keeps, with each member of a new snapshot, the attributes that
// its image had.
func (s *session) keepMemberAttrs(groupID, name string, attrs map[string]rbdio.Attr) {
	g, err := s.findGroupSnap(groupID, name, "find a new group snapshot")
	if err != nil {
		s.pool.log.Warn("a group snapshot will show the images' mode and owner of now", "group", groupID, "snapshot", name, "error", err)
		return
	}
	for _, m := range g.Members {
		other, err := s.in(m.PoolID)
		if attr, ok := attrs[m.ImageKey()]; ok && err == nil {
			other.keepSnapAttr(m.ImageID, m.SnapID, attr)
		}
	}
}

// RemoveGroupSnapshot removes a group snapshot, also an incomplete one; ENOENT,
// EPERM.
//
// Calls rbd_group_snap_remove, and what dropPart calls.
func (p *Pool) RemoveGroupSnapshot(groupID, name string) error {
	what := fmt.Sprintf("remove snapshot %q of group %s", name, groupID)
	return p.change(what, func(s *session) error {
		group, err := s.nameIn(groupDirectoryObject, groupID, what)
		if err != nil {
			return err
		}
		g, err := s.findGroupSnap(groupID, name, what)
		if err != nil {
			return err
		}
		if err := rbd.GroupSnapRemove(s.io, group, name); err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		for _, m := range g.Members {
			other, err := s.in(m.PoolID)
			if err != nil {
				continue
			}
			if err := other.dropPart(m); err != nil {
				s.pool.log.Warn("a part of a removed group snapshot is left, and its image cannot be removed; rbd snap rm --snap-id removes it",
					"image", m.ImageID, "snap-id", m.SnapID, "error", err)
			}
			other.dropSnapAttr(m.ImageID, m.SnapID)
		}
		return nil
	})
}

// dropPart removes an image's part of a group snapshot that is removed, if librbd
// has left it: the client that has the image's exclusive lock is asked to remove
// it, and when that has not read the header since the snapshot was taken it
// answers ENOENT, which librbd takes for done (ceph: src/librbd/api/Group.cc:
// group_snap_remove_by_record).
//
// Calls rados_read_op_exec with snapshot_get, rbd_open_by_id and
// rbd_snap_remove_by_id.
func (s *session) dropPart(m rbdio.Member) error {
	what := fmt.Sprintf("remove snapshot %d of image %s", m.SnapID, m.ImageID)
	errno := syscall.Errno(0)
	for range unclear {
		_, err := s.liveSnapshot(m.ImageID, m.SnapID, snapNamespaceGroup, what)
		if errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if err != nil {
			return err
		}
		img, err := rbd.OpenImageById(s.io, m.ImageID, "")
		if err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		errno = errnoFrom(img.RemoveSnapByID(m.SnapID))
		if err := img.Close(); err != nil {
			return s.check(errnoFrom(err), "%s: close it", what)
		}
		if errno == 0 {
			return nil
		}
		time.Sleep(busyPause)
	}
	return s.check(errno, "%s", what)
}

// RenameGroupSnapshot changes a group snapshot's name; ENOENT, EEXIST, EINVAL.
//
// Calls rbd_group_snap_rename.
func (p *Pool) RenameGroupSnapshot(groupID, name, newName string) error {
	what := fmt.Sprintf("rename snapshot %q of group %s to %q", name, groupID, newName)
	if err := nameable(what, newName); err != nil {
		return err
	}
	return p.change(what, func(s *session) error {
		group, err := s.nameIn(groupDirectoryObject, groupID, what)
		if err != nil {
			return err
		}
		return s.check(errnoFrom(rbd.GroupSnapRename(s.io, group, name, newName)), "%s", what)
	})
}
