package librbd

import (
	"fmt"
	"sort"
	"syscall"

	"rbdfs/rbdio"
)

// snapsAtOnce bounds the snapshots that one operation reads.
const snapsAtOnce = 128

// Kinds of snapshots: those that users make (RBD_SNAP_NAMESPACE_TYPE_USER), and the
// parts of group snapshots (RBD_SNAP_NAMESPACE_TYPE_GROUP). Removing one that clones
// still need, and any on its way out, turns it into another kind first.
const (
	snapNamespaceUser  = 0
	snapNamespaceGroup = 1
)

// snapObjectMapObject is objectMapObject of a snapshot.
func snapObjectMapObject(id string, snap uint64) string {
	return fmt.Sprintf("%s.%016x", objectMapObject(id), snap)
}

// ListSnapshots returns the snapshots that users made of an image, the oldest
// first; ENOENT. It does not open the image.
//
// Calls rados_read_op_exec with get_snapcontext and snapshot_get.
func (p *Pool) ListSnapshots(imageID string) (list []rbdio.Snapshot, err error) {
	what := "list the snapshots of image " + imageID
	err = p.read(func(s *session) error {
		ids, err := s.snapIDs(imageID, what)
		if err != nil {
			return err
		}
		list = make([]rbdio.Snapshot, 0, len(ids))
		for len(ids) > 0 {
			n := min(len(ids), snapsAtOnce)
			if list, err = s.appendSnaps(list, imageID, ids[:n], snapNamespaceUser, what); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
	return list, err
}

// snapIDs returns the ids of all of an image's snapshots, the oldest first.
func (s *session) snapIDs(imageID, what string) ([]uint64, error) {
	out, errno := readStep(s.io, headerObject(imageID), "get_snapcontext", nil)
	if errno != 0 {
		return nil, s.check(errno, "%s", what)
	}
	d := &decoder{b: out}
	d.u64() // the newest id that was ever given
	n := d.u32()
	var ids []uint64
	for ; n > 0 && d.err == nil; n-- {
		ids = append(ids, d.u64())
	}
	if d.err != nil {
		return nil, s.because(syscall.EIO, "the answer cannot be understood", "%s", what)
	}
	sort.Slice(ids, func(a, b int) bool { return ids[a] < ids[b] })
	return ids, nil
}

// appendSnaps reads some snapshots by their ids, and appends those that are of a
// kind and still there.
func (s *session) appendSnaps(list []rbdio.Snapshot, imageID string, ids []uint64, kind uint32, what string) ([]rbdio.Snapshot, error) {
	steps := make([]step, len(ids))
	for i, id := range ids {
		steps[i] = step{method: "snapshot_get", in: new(encoder).u64(id).b}
	}
	if errno := readSteps(s.io, headerObject(imageID), steps); errno != 0 {
		return nil, s.check(errno, "%s", what)
	}
	for _, st := range steps {
		if st.errno == syscall.ENOENT {
			continue // removed meanwhile
		}
		if st.errno != 0 {
			return nil, s.check(st.errno, "%s", what)
		}
		snap, is, ok := decodeSnapshot(st.out)
		if !ok {
			return nil, s.because(syscall.EIO, "a snapshot's header cannot be understood", "%s", what)
		}
		if is == kind {
			list = append(list, snap)
		}
	}
	return list, nil
}

// decodeSnapshot reads a cls::rbd::SnapshotInfo (ceph: src/cls/rbd/cls_rbd_types.h),
// and tells the snapshot's kind.
func decodeSnapshot(b []byte) (snap rbdio.Snapshot, kind uint32, ok bool) {
	d := (&decoder{b: b}).frame(1)
	snap.ID = d.u64()
	space := d.frame(1)
	kind = space.u32()
	snap.Name = d.str()
	snap.Size = d.u64()
	snap.Time = d.utime()
	return snap, kind, d.err == nil && space.err == nil
}

// userSnapshot is liveSnapshot of a user's snapshot.
func (s *session) userSnapshot(imageID string, snapID uint64, what string) (rbdio.Snapshot, error) {
	return s.liveSnapshot(imageID, snapID, snapNamespaceUser, what)
}

// liveSnapshot refuses a snapshot that is not there any more, or is of another
// kind; ENOENT.
//
// Calls rados_read_op_exec with snapshot_get.
func (s *session) liveSnapshot(imageID string, snapID uint64, kind uint32, what string) (rbdio.Snapshot, error) {
	list, err := s.appendSnaps(nil, imageID, []uint64{snapID}, kind, what)
	if err == nil && len(list) == 0 {
		err = s.because(syscall.ENOENT, "the snapshot was removed", "%s", what)
	}
	if err != nil {
		return rbdio.Snapshot{}, err
	}
	return list[0], nil
}

// StatSnapshot reads an image's header as of a snapshot; ENOENT.
//
// Calls rados_read_op_exec as Stat, and with snapshot_get and metadata_get.
func (p *Pool) StatSnapshot(imageID string, snapID uint64) (info rbdio.Info, err error) {
	err = p.read(func(s *session) error {
		info, err = s.statSnapshot(imageID, snapID, snapNamespaceUser)
		return err
	})
	return info, err
}

// statSnapshot is StatSnapshot of a snapshot of any kind.
func (s *session) statSnapshot(imageID string, snapID uint64, kind uint32) (info rbdio.Info, err error) {
	h, err := s.header(imageID, snapID)
	if err != nil {
		return info, err
	}
	info = h.info(imageID)
	info.Allocated = s.allocated(snapObjectMapObject(imageID, snapID), h)
	if attr, ok := s.snapAttr(imageID, snapID); ok {
		info.Attr = attr
	}
	// After all the rest, so that this was so while it was there.
	what := fmt.Sprintf("read the header of snapshot %d of image %s", snapID, imageID)
	snap, err := s.liveSnapshot(imageID, snapID, kind, what)
	if err != nil {
		return info, err
	}
	info.Created, info.Modified, info.Accessed = snap.Time, snap.Time, snap.Time
	info.Attr.Changed = nil
	return info, nil
}
