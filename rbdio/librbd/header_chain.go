package librbd

import (
	"syscall"

	"github.com/ceph/go-ceph/rados"
)

// An image that is being migrated (rbd migration prepare) reads what was not copied yet
// from its source, another image or, with --import-only, a file or a URL. Its object map
// lists only what was copied. rbd_diff_iterate2 ends the process for a source that is no
// image, also when it gets there by a clone's parents (16.2.15: rbd diff: assertion in
// src/librbd/Utils.h, or a division by zero). So such an image, and one whose parents
// are not known to be none, may have data everywhere.

// maxParents bounds how many parents are looked at.
const maxParents = 64

// elsewhere tells whether an image's features leave open where its data is: it is being
// migrated, in another host's cache, or has a feature that is not known here.
func elsewhere(features uint64) bool { return features&^featuresOwnData != 0 }

// foreign tells whether data of an image, or of one that backs it, may be elsewhere than
// in objects of its own. flags are the image's.
//
// Calls rados_read_op_exec with get_flags, get_features, parent_overlap_get and parent_get.
func (s *session) foreign(id string, snap uint64) (foreign bool, flags uint64, errno syscall.Errno) {
	io := s.io
	for depth := range maxParents {
		l, errno := readLink(io, id, snap)
		if depth == 0 {
			flags = l.flags
			if errno != 0 {
				return true, flags, errno
			}
		}
		if errno != 0 || elsewhere(l.features) {
			return true, flags, 0
		}
		if l.overlap == 0 {
			return false, flags, 0
		}
		name, err := s.conn.GetPoolByID(l.pool)
		if err != nil {
			return true, flags, 0
		}
		next, err := s.conn.OpenIOContext(name)
		if err != nil {
			return true, flags, 0
		}
		defer next.Destroy() // there are seldom more than two
		next.SetNamespace(l.namespace)
		io, id, snap = next, l.id, l.snap
	}
	return true, flags, 0
}

// link is what an image's header says of it and of its parent.
type link struct {
	flags     uint64
	features  uint64
	overlap   uint64 // how much the parent backs; the rest is about the parent
	pool      int64
	namespace string
	id        string
	snap      uint64
}

// readLink reads a header as of a snapshot or noSnap.
func readLink(io *rados.IOContext, id string, snap uint64) (link, syscall.Errno) {
	head := new(encoder).u64(snap).b
	steps := []step{
		{method: "get_flags", in: head},
		{method: "get_features", in: append(head[:8:8], 1)}, // 1: to read
		{method: "parent_overlap_get", in: head},
		{method: "parent_get"},
	}
	errno := readSteps(io, headerObject(id), steps)
	for _, needed := range steps[:3] {
		if errno == 0 {
			errno = needed.errno
		}
	}
	if errno != 0 {
		return link{}, errno
	}
	return decodeLink(steps)
}

// decodeLink puts together what the steps of readLink have answered.
func decodeLink(steps []step) (l link, errno syscall.Errno) {
	flags, features, overlap := decoder{b: steps[0].out}, decoder{b: steps[1].out}, decoder{b: steps[2].out}
	l.flags, l.features = flags.u64(), features.u64()
	if overlap.u8() != 0 {
		l.overlap = overlap.u64()
	}
	if flags.err != nil || features.err != nil || overlap.err != nil {
		return l, syscall.EIO
	}
	if l.overlap == 0 {
		return l, 0
	}
	parent := (&decoder{b: steps[3].out}).frame(1)
	l.pool, l.namespace, l.id, l.snap = int64(parent.u64()), parent.str(), parent.str(), parent.u64()
	if steps[3].errno != 0 || parent.err != nil {
		return l, syscall.EIO
	}
	return l, 0
}
