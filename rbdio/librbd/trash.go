package librbd

/*
#include <stdlib.h>
#include <rbd/librbd.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// The mark of an image that rbdfs has removed is the metadata key keyRemoved. A
// removal sets it to "moving TIME", moves the image to the trash, and then sets
// it to the TIME of the trash's entry, both in seconds. "purge TIME" says that a
// user wants it purged at once, whoever removed it. An administrator may restore
// the image by the rbd command and remove it again, and it is not ours then,
// although the mark is still there: so the times must agree, exactly, or within
// markSlack in the form that an interrupted removal leaves.
const (
	markMoving = "moving "
	markPurge  = "purge "
	markSlack  = 60 * time.Second
)

// claimOf tells what a mark says of the removal at a time.
func claimOf(mark string, removed time.Time) rbdio.Claim {
	claim := rbdio.ClaimOurs
	text, moving := strings.CutPrefix(mark, markMoving)
	if rest, purge := strings.CutPrefix(mark, markPurge); purge {
		text, claim = rest, rbdio.ClaimNow
	}
	sec, err := strconv.ParseInt(text, 10, 64)
	late := removed.Sub(time.Unix(sec, 0))
	if err != nil || late != 0 && !(moving && late > 0 && late <= markSlack) {
		return rbdio.ClaimNone
	}
	return claim
}

// mark sets the mark of an image.
func (s *session) mark(id, value string) syscall.Errno {
	return writeSteps(s.io, headerObject(id), []step{metadataSet(map[string]string{keyRemoved: value})})
}

// unmark removes the mark of an image.
func (s *session) unmark(id string) syscall.Errno {
	return writeSteps(s.io, headerObject(id), []step{{method: "metadata_remove", in: new(encoder).str(keyRemoved).b}})
}

// removedAt returns the time of an image's entry in the trash; ENOENT.
//
// Calls rbd_trash_get.
func (s *session) removedAt(id string) (time.Time, syscall.Errno) {
	cID := C.CString(id)
	defer C.free(unsafe.Pointer(cID))
	var info C.rbd_trash_image_info_t
	if errno := errnoOf(C.rbd_trash_get(C.rados_ioctx_t(s.io.Pointer()), cID, &info)); errno != 0 {
		return time.Time{}, errno
	}
	defer C.rbd_trash_get_cleanup(&info)
	return time.Unix(int64(info.deletion_time), 0), 0
}

// trashList returns the trash's entries. The source says who removed an image: a
// user, or mirroring and migration on their own account.
//
// Calls rbd_trash_list.
func (s *session) trashList() ([]rbdio.TrashEntry, error) {
	for room := C.size_t(64); ; {
		cList := (*C.rbd_trash_image_info_t)(C.calloc(room, C.size_t(unsafe.Sizeof(C.rbd_trash_image_info_t{}))))
		n := room
		errno := errnoOf(C.rbd_trash_list(C.rados_ioctx_t(s.io.Pointer()), cList, &n))
		if errno == syscall.ERANGE {
			C.free(unsafe.Pointer(cList))
			room = max(2*room, n)
			continue
		}
		if errno != 0 {
			C.free(unsafe.Pointer(cList))
			return nil, s.check(errno, "list the trash")
		}
		var list []rbdio.TrashEntry
		for _, c := range unsafe.Slice(cList, room)[:n] {
			if c.source != C.RBD_TRASH_IMAGE_SOURCE_USER && c.source != C.RBD_TRASH_IMAGE_SOURCE_USER_PARENT {
				continue
			}
			list = append(list, rbdio.TrashEntry{
				ID: C.GoString(c.id), Name: C.GoString(c.name),
				Removed: time.Unix(int64(c.deletion_time), 0),
				Expires: time.Unix(int64(c.deferment_end_time), 0),
			})
		}
		C.rbd_trash_list_cleanup(cList, n)
		C.free(unsafe.Pointer(cList))
		return list, nil
	}
}

// ListTrash returns the images that users removed, by any tool.
//
// Calls rbd_trash_list.
func (p *Pool) ListTrash() (list []rbdio.TrashEntry, err error) {
	err = p.read(func(s *session) error {
		list, err = s.trashList()
		return err
	})
	return list, err
}

// stillRemoved fails with ENOENT unless the trash has this removal of an image.
func (s *session) stillRemoved(e rbdio.TrashEntry, what string) error {
	removed, errno := s.removedAt(e.ID)
	if errno == 0 && !removed.Equal(e.Removed) {
		errno = syscall.ENOENT
	}
	return s.check(errno, "%s", what)
}

// Claim tells whether a removed image is to be purged by rbdfs; ENOENT. One that
// has no header any more is what a purge by whomever has left, and the mark went
// with the header: what is left of it has no data.
//
// Calls rbd_trash_get, rados_read_op_exec with metadata_get, and rados_stat.
func (p *Pool) Claim(e rbdio.TrashEntry) (claim rbdio.Claim, err error) {
	what := "ask who removed image " + e.ID
	err = p.read(func(s *session) error {
		if err := s.stillRemoved(e, what); err != nil {
			return err
		}
		out, errno := readStep(s.io, headerObject(e.ID), "metadata_get", new(encoder).str(keyRemoved).b)
		switch errno {
		case 0:
			d := &decoder{b: out}
			claim = claimOf(d.str(), e.Removed)
			return nil
		case syscall.ENOENT:
			claim = rbdio.ClaimNone
			if _, err := s.io.Stat(headerObject(e.ID)); errnoFrom(err) == syscall.ENOENT {
				claim = rbdio.ClaimOurs
			}
			return nil
		}
		return s.check(errno, "%s", what)
	})
	return claim, err
}

// Expire has a removed image purged before its time; ENOENT, ENOTEMPTY, EBUSY,
// EPERM. What a purge has left of an image without a header has room for no mark,
// and goes at once.
//
// Calls rbd_trash_get, what Remove asks of an image, rados_write_op_exec with
// metadata_set, and rbd_trash_remove.
func (p *Pool) Expire(e rbdio.TrashEntry) error {
	what := "purge " + quote(e.Name) + " before its time"
	return p.change(what, func(s *session) error {
		if err := s.stillRemoved(e, what); err != nil {
			return err
		}
		err := s.removable(e.ID, what)
		if errors.Is(err, syscall.ENOENT) {
			return s.check(errnoFrom(rbd.TrashRemove(s.io, e.ID, true)), "%s", what)
		}
		if err != nil {
			return err
		}
		return s.check(s.mark(e.ID, markPurge+strconv.FormatInt(e.Removed.Unix(), 10)), "%s: mark it", what)
	})
}

// Restore brings a removed image back under name; ENOENT, EEXIST, and EBUSY when
// its purge has begun.
//
// Calls rbd_trash_restore.
func (p *Pool) Restore(id, name string) error {
	what := fmt.Sprintf("restore image %s as %q", id, name)
	if err := nameable(what, name); err != nil {
		return err
	}
	return p.change(what, func(s *session) error {
		if err := s.restore(id, name, what); err != nil {
			return err
		}
		if errno := s.unmark(id); errno != 0 {
			p.log.Warn("a restored image keeps its removal mark", "image", name, "error", errno)
		}
		return nil
	})
}
