package librbd

import (
	"fmt"
	"sort"
	"syscall"

	"rbdfs/rbdio"
)

// snapsAtOnce bounds the snapshots that one operation reads.
const snapsAtOnce = 128

// snapNamespaceUser is the kind of the snapshots that users make
// (RBD_SNAP_NAMESPACE_TYPE_USER). Removing one that clones still need, and any on
// its way out, turns it into another kind first.
const snapNamespaceUser = 0

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
			if list, err = s.appendSnaps(list, imageID, ids[:n], what); err != nil {
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

// appendSnaps reads some snapshots by their ids, and appends those that users
// made and that are still there.
func (s *session) appendSnaps(list []rbdio.Snapshot, imageID string, ids []uint64, what string) ([]rbdio.Snapshot, error) {
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
		snap, user, ok := decodeSnapshot(st.out)
		if !ok {
			return nil, s.because(syscall.EIO, "a snapshot's header cannot be understood", "%s", what)
		}
		if user {
			list = append(list, snap)
		}
	}
	return list, nil
}

// decodeSnapshot reads a cls::rbd::SnapshotInfo (ceph: src/cls/rbd/cls_rbd_types.h),
// and tells whether a user made the snapshot.
func decodeSnapshot(b []byte) (snap rbdio.Snapshot, user, ok bool) {
	d := (&decoder{b: b}).frame(1)
	snap.ID = d.u64()
	kind := d.frame(1)
	user = kind.u32() == snapNamespaceUser
	snap.Name = d.str()
	snap.Size = d.u64()
	snap.Time = d.utime()
	return snap, user, d.err == nil && kind.err == nil
}

// userSnapshot refuses a snapshot that is not there any more; ENOENT.
//
// Calls rados_read_op_exec with snapshot_get.
func (s *session) userSnapshot(imageID string, snapID uint64, what string) (rbdio.Snapshot, error) {
	list, err := s.appendSnaps(nil, imageID, []uint64{snapID}, what)
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
	what := fmt.Sprintf("read the header of snapshot %d of image %s", snapID, imageID)
	err = p.read(func(s *session) error {
		h, err := s.header(imageID, snapID)
		if err != nil {
			return err
		}
		info = h.info(imageID)
		info.Allocated = s.allocated(snapObjectMapObject(imageID, snapID), h)
		if attr, ok := s.snapAttr(imageID, snapID); ok {
			info.Attr = attr
		}
		// After all the rest, so that this was so while it was there.
		snap, err := s.userSnapshot(imageID, snapID, what)
		if err != nil {
			return err
		}
		info.Created, info.Modified, info.Accessed = snap.Time, snap.Time, snap.Time
		info.Attr.Changed = nil
		return nil
	})
	return info, err
}
