package librbd

/*
#include <stdlib.h>
#include "image.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// changeSnapshots opens an image to change its snapshots. Who holds its exclusive
// lock keeps it, and is asked to make the change.
func (p *Pool) changeSnapshots(imageID, what string, change func(s *session, img *rbd.Image) error) error {
	return p.change(what, func(s *session) error {
		img, err := rbd.OpenImageById(s.io, imageID, "")
		if err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		err = change(s, img)
		return errors.Join(err, s.check(errnoFrom(img.Close()), "%s: close it", what))
	})
}

// CreateSnapshot takes a snapshot, and keeps the image's mode and owner with it;
// ENOENT, EEXIST, EPERM, EDQUOT, EINVAL for a name that the rbd command could not
// address.
//
// Calls rbd_open_by_id, rbd_snap_create and rbd_snap_get_id.
func (p *Pool) CreateSnapshot(imageID, name string) error {
	what := fmt.Sprintf("create snapshot %q of image %s", name, imageID)
	if err := nameable(what, name); err != nil {
		return err
	}
	return p.changeSnapshots(imageID, what, func(s *session, img *rbd.Image) error {
		h, err := s.header(imageID, noSnap)
		if err != nil {
			return err
		}
		unsure := false
		if errno := patiently(func() syscall.Errno {
			_, err := img.CreateSnapshot(name)
			errno := errnoFrom(err)
			if errno == syscall.EEXIST && unsure {
				return 0 // the call before has made it, although it answered EINVAL
			}
			unsure = unsure || errno == syscall.EINVAL
			return errno
		}); errno != 0 {
			return s.check(errno, "%s", what)
		}
		if snap, err := img.GetSnapID(name); err == nil {
			s.keepSnapAttr(imageID, snap, parseAttr(h.ours))
		}
		return nil
	})
}

// RenameSnapshot changes a snapshot's name; ENOENT, EEXIST, EINVAL.
//
// Calls rbd_open_by_id and rbd_snap_rename.
func (p *Pool) RenameSnapshot(imageID, name, newName string) error {
	what := fmt.Sprintf("rename snapshot %q of image %s to %q", name, imageID, newName)
	if err := nameable(what, newName); err != nil {
		return err
	}
	cID, cName, cNew := C.CString(imageID), C.CString(name), C.CString(newName)
	defer C.free(unsafe.Pointer(cID))
	defer C.free(unsafe.Pointer(cName))
	defer C.free(unsafe.Pointer(cNew))
	return p.change(what, func(s *session) error {
		// go-ceph renames only on an image that was opened by its name.
		return s.check(errnoOf(C.rbdfs_snap_rename(C.rados_ioctx_t(s.io.Pointer()), cID, cName, cNew)), "%s", what)
	})
}

// RemoveSnapshot removes a snapshot, also a protected one; ENOENT, EBUSY when it
// has clones.
//
// Calls rbd_open_by_id, rbd_snap_get_id, rbd_list_children3, rbd_snap_unprotect and
// rbd_snap_remove.
func (p *Pool) RemoveSnapshot(imageID, name string) error {
	what := fmt.Sprintf("remove snapshot %q of image %s", name, imageID)
	return p.changeSnapshots(imageID, what, func(s *session, img *rbd.Image) error {
		id, err := img.GetSnapID(name)
		if err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		snap := img.GetSnapshot(name)
		protected, err := snap.IsProtected()
		if err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		if err := s.childless(imageID, name, what); err != nil {
			return err
		}
		if protected {
			if err := snap.Unprotect(); err != nil {
				return s.check(errnoFrom(err), "%s: unprotect it", what)
			}
		}
		err = s.check(errnoFrom(snap.Remove()), "%s", what)
		if err != nil && protected {
			err = errors.Join(err, s.check(errnoFrom(snap.Protect()), "%s: protect it again", what))
		}
		if err == nil {
			s.dropSnapAttr(imageID, id)
		}
		return err
	})
}

// childless refuses a snapshot that has clones, as rbd_snap_remove does only
// where it is protected. It asks by a handle of its own: setting a snapshot makes
// a handle that can change nothing.
//
// Calls rbd_open_by_id_read_only, rbd_snap_set and rbd_list_children3.
func (s *session) childless(imageID, name, what string) error {
	img, err := rbd.OpenImageByIdReadOnly(s.io, imageID, "")
	if err != nil {
		return s.check(errnoFrom(err), "%s", what)
	}
	defer img.Close()
	if err := img.SetSnapshot(name); err != nil {
		return s.check(errnoFrom(err), "%s", what)
	}
	children, err := img.ListChildrenAttributes()
	if err != nil {
		return s.check(errnoFrom(err), "%s: list its clones", what)
	}
	if len(children) == 0 {
		return nil
	}
	names := make([]string, len(children))
	for i, c := range children {
		names[i] = quote(childSpec(c))
	}
	return &rbdio.Error{Op: what, Errno: syscall.EBUSY, Why: "it has clones: " + firstFew(names)}
}

// childSpec names a clone as the rbd command does.
func childSpec(c rbd.ImageSpec) string {
	spec := c.PoolName + "/"
	if c.PoolNamespace != "" {
		spec += c.PoolNamespace + "/"
	}
	if c.Trash {
		return spec + c.ImageID + " (in the trash)"
	}
	return spec + c.ImageName
}
