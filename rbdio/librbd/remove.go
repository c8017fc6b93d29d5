package librbd

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ceph/go-ceph/rbd"
)

// Remove moves the image called name to the trash, marked as ours; ENOENT,
// ENOTEMPTY, EBUSY, and then nothing has changed. This mount itself may have the
// image open, and may go on using it.
//
// Calls rbd_trash_move.
func (p *Pool) Remove(name string, expires time.Time) (id string, err error) {
	what := "remove " + quote(name)
	err = p.change(what, func(s *session) error {
		if id, err = s.lookup(name); err != nil {
			return err
		}
		if err := s.removable(id, what); err != nil {
			return err
		}
		return s.trashMove(name, id, what, time.Until(expires))
	})
	return id, err
}

// removable refuses what rbd_trash_move takes but the rbd command would not
// remove, nor a purge later: an image that has snapshots, is in a group, or that
// another client watches.
//
// Calls rbd_open_by_id_read_only, rbd_snap_list, rbd_get_group and
// rbd_watchers_list.
func (s *session) removable(id, what string) error {
	img, err := rbd.OpenImageByIdReadOnly(s.io, id, "")
	if err != nil {
		return s.check(errnoFrom(err), "%s", what)
	}
	defer img.Close()
	snaps, err := keptSnapshots(img)
	if err != nil {
		return s.check(errnoFrom(err), "%s: list its snapshots", what)
	}
	if len(snaps) > 0 {
		return s.because(syscall.ENOTEMPTY, "it has snapshots: "+firstFew(snaps), "%s", what)
	}
	group, err := img.GetGroup()
	if err != nil {
		return s.check(errnoFrom(err), "%s: ask for its group", what)
	}
	if group.Name != "" {
		return s.because(syscall.EBUSY, "it is in the group "+quote(group.Name), "%s", what)
	}
	return s.unwatched(img, what)
}

// unwatched refuses an image that a client watches that is not of this pool.
func (s *session) unwatched(img *rbd.Image, what string) error {
	watchers, err := img.ListWatchers()
	if err != nil {
		return s.check(errnoFrom(err), "%s: list its watchers", what)
	}
	var others []string
	for _, w := range watchers {
		if !s.pool.ours(uint64(w.Id)) {
			others = append(others, w.Addr)
		}
	}
	if len(others) > 0 {
		return s.because(syscall.EBUSY, "another client has it open: "+strings.Join(others, ", "), "%s", what)
	}
	return nil
}

// Kinds of snapshots that .snap does not show: one that was removed while it had
// clones of format 2, and one that mirroring made (RBD_SNAP_NAMESPACE_TYPE_*).
const (
	snapNamespaceTrash  = 2
	snapNamespaceMirror = 3
)

// keptSnapshots names the snapshots that keep an image from being removed: all
// but those that mirroring has made, which end with it.
//
// Calls rbd_snap_list and rbd_snap_get_namespace_type.
func keptSnapshots(img *rbd.Image) ([]string, error) {
	snaps, err := img.GetSnapshotNames()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, snap := range snaps {
		kind, err := img.GetSnapNamespaceType(snap.Id)
		if err != nil {
			return nil, err
		}
		switch kind {
		case snapNamespaceMirror:
		case snapNamespaceTrash:
			names = append(names, quote(snap.Name)+" (removed, but it has clones)")
		default:
			names = append(names, quote(snap.Name))
		}
	}
	return names, nil
}

// firstFew joins the first of many names.
func firstFew(names []string) string {
	const few = 5
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), more)
	}
	return strings.Join(names, ", ")
}

// trashMove marks an image and moves it to the trash.
func (s *session) trashMove(name, id, what string, delay time.Duration) error {
	now := time.Now().Unix()
	if err := s.check(s.mark(id, markMoving+strconv.FormatInt(now, 10)), "%s: mark it", what); err != nil {
		return err
	}
	if err := s.moveToTrash(name, id, max(delay, 0)); err != nil {
		if e := s.unmark(id); e != 0 {
			s.pool.log.Warn("an image that was not removed keeps its removal mark", "image", name, "error", e)
		}
		return err
	}
	s.settleMark(id)
	return nil
}

// settleMark gives the mark the time of the trash's entry. Without it the mark
// is good for markSlack.
func (s *session) settleMark(id string) {
	removed, errno := s.removedAt(id)
	if errno == 0 {
		errno = s.mark(id, strconv.FormatInt(removed.Unix(), 10))
	}
	if errno != 0 {
		s.pool.log.Warn("a removed image keeps a provisional removal mark", "image", id, "error", errno)
	}
}
