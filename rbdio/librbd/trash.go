package librbd

/*
#include <stdlib.h>
#include <rbd/librbd.h>
*/
import "C"

import (
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
// it to the TIME of the trash's entry, both in seconds. An administrator may
// restore the image by the rbd command and remove it again, and it is not ours
// then, although the mark is still there: so the times must agree, exactly in the
// second form, and within markSlack in the first, which an interrupted removal
// leaves.
const (
	markMoving = "moving "
	markSlack  = 60 * time.Second
)

// markedAt tells whether a mark is that of a removal at a time.
func markedAt(mark string, removed time.Time) bool {
	text, moving := strings.CutPrefix(mark, markMoving)
	sec, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false
	}
	at := time.Unix(sec, 0)
	if moving {
		return !removed.Before(at) && removed.Sub(at) <= markSlack
	}
	return removed.Equal(at)
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

// trashList returns the trash's entries, all but Ours filled in. The source says
// who removed an image: a user, or mirroring and migration on their own account.
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
// Calls rbd_trash_list, and rados_read_op_exec with metadata_get for each.
func (p *Pool) ListTrash() (list []rbdio.TrashEntry, err error) {
	err = p.read(func(s *session) error {
		if list, err = s.trashList(); err != nil {
			return err
		}
		for i := range list {
			out, errno := readStep(s.io, headerObject(list[i].ID), "metadata_get", new(encoder).str(keyRemoved).b)
			if errno == rbdio.Fenced {
				return s.check(errno, "list the trash")
			}
			if errno == 0 {
				d := &decoder{b: out}
				list[i].Ours = markedAt(d.str(), list[i].Removed)
			}
		}
		return nil
	})
	return list, err
}

// Purge deletes a removed image's data; ENOENT, EBUSY while it is open,
// ENOTEMPTY when it has snapshots.
//
// rbd_trash_remove waits for the exclusive lock before it looks for watchers, and
// that is 30 s for the lock of a client that was killed, so they are looked for
// before. An image that cannot be opened is one whose purge was interrupted.
//
// Calls rbd_open_by_id_read_only, rbd_watchers_list and rbd_trash_remove.
func (p *Pool) Purge(id string) error {
	what := "purge image " + id
	return p.change(what, func(s *session) error {
		if img, err := rbd.OpenImageByIdReadOnly(s.io, id, ""); err == nil {
			err = s.unwatched(img, what)
			img.Close()
			if err != nil {
				return err
			}
		}
		return s.check(errnoFrom(rbd.TrashRemove(s.io, id, true)), "%s", what)
	})
}

// Restore brings a removed image back under name; ENOENT, EEXIST.
//
// Calls rbd_trash_restore.
func (p *Pool) Restore(id, name string) error {
	what := fmt.Sprintf("restore image %s as %q", id, name)
	if err := nameable(what, name); err != nil {
		return err
	}
	return p.change(what, func(s *session) error {
		if err := s.check(errnoFrom(rbd.TrashRestore(s.io, id, name)), "%s", what); err != nil {
			return err
		}
		if errno := s.unmark(id); errno != 0 {
			p.log.Warn("a restored image keeps its removal mark", "image", name, "error", errno)
		}
		return nil
	})
}
