package librbd

/*
#include <stdlib.h>
#include "exec.h"
*/
import "C"

import (
	"errors"
	"syscall"
	"time"
	"unsafe"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// A pool that is past its quota, or whose cluster is full, refuses what makes an object
// or adds bytes to one (ceph: src/osd/PrimaryLogPG.cc: prepare_transaction), so librbd
// can remove and rename nothing whose first step is a new object: the trash's own before
// the first removal, and the one that a name has. These objects have no bytes, or few,
// and are made by an operation that the OSD takes anyway (FULL_FORCE). librbd then finds
// them there, or the rest is done by the methods that it uses itself.

// trashObject lists what is in the trash (RBD_TRASH).
const trashObject = "rbd_trash"

// isFull tells whether a pool has refused more data.
func isFull(errno syscall.Errno) bool { return errno == syscall.EDQUOT || errno == syscall.ENOSPC }

// forceCreate makes an object in a pool that may be full, and runs steps on it. EEXIST
// for one that is there, if it must be new.
//
// Calls rados_write_op_create, rados_write_op_exec and rados_write_op_operate.
func (s *session) forceCreate(oid string, mustBeNew bool, steps ...step) syscall.Errno {
	cSteps, free := toC(steps)
	defer free()
	cOid := C.CString(oid)
	defer C.free(unsafe.Pointer(cOid))
	return errnoOf(C.rbdfs_force_create(C.rados_ioctx_t(s.io.Pointer()), cOid, C.bool(mustBeNew),
		unsafe.SliceData(cSteps), C.size_t(len(cSteps))))
}

// forceName makes the object that a name has.
func (s *session) forceName(name, id string) syscall.Errno {
	return s.forceCreate(idObject(name), true, step{method: "set_id", in: new(encoder).str(id).b})
}

// moveToTrash moves an image to the trash. In a full pool without an object for the
// trash librbd cannot, and answers ENOENT, from undoing it (src/librbd/api/Trash.cc: move:
// trash_state_set). So ENOENT is not believed of an image that is there.
//
// Calls rbd_trash_move.
func (s *session) moveToTrash(name, id string, delay time.Duration) error {
	move := func() syscall.Errno { return errnoFrom(rbd.GetImage(s.io, name).Trash(delay)) }
	what := "remove " + quote(name)
	errno := move()
	if errno == syscall.ENOENT || isFull(errno) {
		if made := s.forceCreate(trashObject, false); made != 0 {
			return s.check(made, "%s: make the trash", what)
		}
		errno = move()
	}
	if errno != syscall.ENOENT {
		return s.check(errno, "%s", what)
	}
	if now, err := s.lookup(name); err != nil || now != id {
		return s.check(errno, "%s", what)
	}
	return s.unbelievable(what, name)
}

// unbelievable is the answer when librbd says of an image that it is not there, and it is.
func (s *session) unbelievable(what, name string) error {
	s.pool.log.Warn("librbd says that an image is not there, but it is: \"rbd info\" and \"ceph status\" may tell more", "image", name)
	return s.because(syscall.EIO, "librbd says that it is not there, but it is", "%s", what)
}

// renameFull is Rename in a pool that is full, as librbd does it (src/librbd/operation/
// RenameRequest.cc) for an image whose changes need not go into a journal. Clients that
// have it open go on calling it by its old name in their logs.
//
// Calls those of forceCreate, rados_write_op_exec with dir_rename_image, and rados_remove.
func (s *session) renameFull(name, newName string, full syscall.Errno) error {
	what := "rename " + quote(name) + " to " + quote(newName)
	id, err := s.lookup(name)
	if err != nil {
		return err
	}
	h, err := s.header(id, noSnap)
	if err != nil {
		return err
	}
	if h.features&featureJournaling != 0 {
		return s.check(full, "%s", what)
	}
	if errno := s.forceName(newName, id); errno != 0 {
		return s.check(errno, "%s", what)
	}
	rename := step{method: "dir_rename_image", in: new(encoder).str(name).str(newName).str(id).b}
	if errno := writeSteps(s.io, directoryObject, []step{rename}); errno != 0 {
		return errors.Join(s.check(errno, "%s", what), s.removeName(newName))
	}
	if err := s.removeName(name); err != nil {
		s.pool.log.Warn("a name that an image had is not free", "name", name, "error", err)
	}
	return nil
}

// removeName removes the object that a name has.
//
// Calls rados_remove.
func (s *session) removeName(name string) error {
	return s.check(errnoFrom(s.io.Delete(idObject(name))), "remove the name %s", quote(name))
}

// restore brings an image back from the trash, also in a pool that is full: librbd
// goes on where the name has the image's object already (src/librbd/api/Trash.cc: restore).
//
// Calls rbd_trash_restore.
func (s *session) restore(id, name, what string) error {
	errno := errnoFrom(rbd.TrashRestore(s.io, id, name))
	if !isFull(errno) {
		return s.check(errno, "%s", what)
	}
	if made := s.forceName(name, id); made != 0 {
		return s.check(made, "%s", what)
	}
	err := s.check(errnoFrom(rbd.TrashRestore(s.io, id, name)), "%s", what)
	if err != nil && !rbdio.IsFenced(err) {
		return errors.Join(err, s.removeName(name))
	}
	return err
}
