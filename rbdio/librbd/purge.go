package librbd

import (
	"syscall"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// purgeWhole is the number of objects up to which librbd purges an image in one go,
// on the client that files are served by: going through them takes 1 ms, and deleting
// them all about a second.
const purgeWhole = 1024

// Purge deletes a removed image's data; ENOENT, EBUSY while it is open, also by this
// pool, ENOTEMPTY when it has snapshots, rbdio.ErrStopped. A large image costs what it
// holds, and can be stopped: see purge_objects.go. Whatever is cut off, a later Purge
// goes on with.
//
// Calls rados_read_op_exec, rbd_open_by_id_read_only, rbd_watchers_list and
// rbd_trash_remove, and for a large image those of session.empty.
func (p *Pool) Purge(id string, progress *rbdio.Progress) error {
	what, large := "purge image "+id, false
	err := p.change(what, func(s *session) error {
		// An image without a header is one whose purge was interrupted at the end.
		if h, err := s.header(id, noSnap); err == nil && h.size/h.objectSize > purgeWhole {
			large = true
			return nil
		}
		return s.purge(id, what)
	})
	if err != nil || !large {
		return err
	}
	return p.housekeeper.do(func(s *session) error {
		if err := s.empty(id, what, progress); err != nil {
			return err
		}
		return s.purge(id, what)
	})
}

// purge has librbd purge an image.
//
// rbd_trash_remove waits for the exclusive lock before it looks for watchers, and
// that is 30 s for the lock of a client that was killed, so they are looked for
// before. An image that cannot be opened is one whose purge was interrupted.
func (s *session) purge(id, what string) error {
	if img, err := rbd.OpenImageByIdReadOnly(s.io, id, ""); err == nil {
		err = s.unopened(img, what, 0)
		img.Close()
		if err != nil {
			return err
		}
	}
	return s.check(errnoFrom(rbd.TrashRemove(s.io, id, true)), "%s", what)
}

// unopened refuses an image that has more watchers than a number of this session's.
func (s *session) unopened(img *rbd.Image, what string, own int) error {
	watchers, err := img.ListWatchers()
	if err != nil {
		return s.check(errnoFrom(err), "%s: list its watchers", what)
	}
	for _, w := range watchers {
		if uint64(w.Id) == s.instance && own > 0 {
			own--
			continue
		}
		return s.because(syscall.EBUSY, "it is open: "+w.Addr, "%s", what)
	}
	return nil
}
