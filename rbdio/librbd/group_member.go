package librbd

/*
#include <stdlib.h>
#include <rbd/librbd.h>
*/
import "C"

import (
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"rbdfs/rbdio"
)

// MemberNames returns the names that members have now: of an image in the trash,
// the one that it had.
//
// Calls rados_read_op_exec with dir_get_name, rados_pool_reverse_lookup and
// rbd_trash_get.
func (p *Pool) MemberNames(members []rbdio.Member) (names []string, err error) {
	err = p.read(func(s *session) error {
		names = make([]string, len(members))
		byPool := make(map[int64][]int) // indices in members
		for i, m := range members {
			byPool[m.PoolID] = append(byPool[m.PoolID], i)
		}
		for poolID, at := range byPool {
			prefix := s.poolPrefix(poolID)
			for some := range slices.Chunk(at, snapsAtOnce) {
				ids := make([]string, len(some))
				for k, i := range some {
					ids[k] = members[i].ImageID
				}
				found, err := s.imageNames(poolID, ids)
				if rbdio.IsFenced(err) || err != nil && poolID == 0 {
					return err
				}
				for k, i := range some {
					names[i] = prefix + found[k]
				}
			}
		}
		return nil
	})
	return names, err
}

// poolPrefix is what stands before the name of an image of a pool: nothing for
// our own pool.
func (s *session) poolPrefix(poolID int64) string {
	if poolID == 0 {
		return ""
	}
	if name, err := s.conn.GetPoolByID(poolID); err == nil {
		return name + "/"
	}
	return strconv.FormatInt(poolID, 10) + "/"
}

// imageNames returns the names of images of a pool, the id of one that has none;
// of all when there is an error.
func (s *session) imageNames(poolID int64, ids []string) ([]string, error) {
	names := slices.Clone(ids)
	s, err := s.in(poolID)
	if err != nil {
		return names, err
	}
	steps := make([]step, len(ids))
	for i, id := range ids {
		steps[i] = step{method: "dir_get_name", in: new(encoder).str(id).b}
	}
	errno := readSteps(s.io, directoryObject, steps)
	if errno != 0 && errno != syscall.ENOENT {
		return names, s.check(errno, "ask for the names of images")
	}
	for i, st := range steps {
		d := &decoder{b: st.out}
		if name := d.str(); errno == 0 && st.errno == 0 && d.err == nil {
			names[i] = name
		} else if name := s.trashName(ids[i]); name != "" {
			names[i] = name
		}
	}
	return names, nil
}

// trashName returns the name that an image had before it was moved to the trash,
// or "".
//
// Calls rbd_trash_get.
func (s *session) trashName(id string) string {
	cID := C.CString(id)
	defer C.free(unsafe.Pointer(cID))
	var info C.rbd_trash_image_info_t
	if C.rbd_trash_get(C.rados_ioctx_t(s.io.Pointer()), cID, &info) < 0 {
		return ""
	}
	defer C.rbd_trash_get_cleanup(&info)
	return C.GoString(info.name)
}

// StatMember reads an image's header as of a group snapshot; ENOENT, EACCES.
//
// Calls rados_read_op_exec as StatSnapshot.
func (p *Pool) StatMember(m rbdio.Member) (info rbdio.Info, err error) {
	err = p.read(func(s *session) error {
		s, err := s.in(m.PoolID)
		if err == nil {
			info, err = s.statSnapshot(m.ImageID, m.SnapID, snapNamespaceGroup)
		}
		return err
	})
	return info, memberErrno(err)
}

// OpenMember opens an image as of a group snapshot, for reading; ENOENT, EACCES.
// It leaves no watcher.
//
// Calls rbd_open_by_id_read_only and rbd_snap_set_by_id.
func (p *Pool) OpenMember(m rbdio.Member) (rbdio.SnapshotImage, error) {
	var opened *snapshotImage
	err := p.read(func(s *session) error {
		s, err := s.in(m.PoolID)
		if err == nil {
			opened, err = p.openSnapshot(s, m.ImageID, m.SnapID, snapNamespaceGroup)
		}
		return err
	})
	if err != nil {
		return nil, memberErrno(err)
	}
	return opened, nil
}
