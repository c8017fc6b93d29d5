package librbd

import (
	"errors"
	"sync"
	"syscall"

	"rbdfs/rbdio"
)

// snapshotImage is an image open as of a snapshot. RADOS answers reads of a
// removed snapshot as if the objects were not there, or with newer data, and who
// reads has no watcher and is not told. So what was read counts only once the
// header has said, after the read, that the snapshot is still there: librbd's
// removal turns it into one of the trash before it gives its data back
// (ceph: src/librbd/operation/SnapshotRemoveRequest.cc: trash_snap comes before
// release_snap_id). One question answers for all reads that were over when it
// was asked.
type snapshotImage struct {
	readImage
	kind uint32

	mu   sync.Mutex // guards the rest; never held while asking
	next *snapCheck // to be asked when the one under way is over, or nil
	busy bool       // one is under way
}

// snapCheck is one question to the header. err is set before done is closed.
type snapCheck struct {
	done chan struct{}
	err  error
}

var _ rbdio.SnapshotImage = (*snapshotImage)(nil)

// OpenSnapshot opens an image as of a snapshot, for reading; ENOENT. It leaves
// no watcher.
//
// Calls rbd_open_by_id_read_only and rbd_snap_set_by_id.
func (p *Pool) OpenSnapshot(imageID string, snapID uint64) (rbdio.SnapshotImage, error) {
	var opened *snapshotImage
	err := p.read(func(s *session) (err error) {
		opened, err = p.openSnapshot(s, imageID, snapID, snapNamespaceUser)
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// openSnapshot is OpenSnapshot of a snapshot of any kind, on a session.
func (p *Pool) openSnapshot(s *session, imageID string, snapID uint64, kind uint32) (*snapshotImage, error) {
	img := &snapshotImage{kind: kind}
	if err := p.open(s, imageID, snapID, &img.readImage, true); err != nil {
		return nil, err
	}
	if _, err := s.liveSnapshot(imageID, snapID, kind, "open a snapshot of "+img.label); err != nil {
		img.Close()
		return nil, err
	}
	return img, nil
}

// ReadAt fills p from the image, up to its end; ESTALE when the snapshot is gone.
//
// Calls rbd_read, and rados_read_op_exec with snapshot_get.
func (i *snapshotImage) ReadAt(p []byte, fileOff uint64) (int, error) {
	n, err := i.readImage.ReadAt(p, fileOff)
	if gone := i.stillThere(); gone != nil {
		return 0, gone
	}
	return n, err
}

// Extents returns what may hold data; ESTALE when the snapshot is gone.
//
// Calls rbd_diff_iterate2, and rados_read_op_exec with snapshot_get.
func (i *snapshotImage) Extents(fileOff, length uint64) ([]rbdio.Extent, error) {
	list, err := i.readImage.Extents(fileOff, length)
	if gone := i.stillThere(); gone != nil {
		return nil, gone
	}
	return list, err
}

// stillThere asks whether the snapshot is there, beginning after the call.
func (i *snapshotImage) stillThere() error {
	i.mu.Lock()
	if i.next == nil {
		i.next = &snapCheck{done: make(chan struct{})}
	}
	c := i.next
	if !i.busy {
		i.busy = true
		go i.askAll()
	}
	i.mu.Unlock()
	<-c.done
	return c.err
}

// askAll asks until nobody waits for an answer.
func (i *snapshotImage) askAll() {
	for {
		i.mu.Lock()
		c := i.next
		i.next, i.busy = nil, c != nil
		i.mu.Unlock()
		if c == nil {
			return
		}
		c.err = i.ask()
		close(c.done)
	}
}

func (i *snapshotImage) ask() error {
	_, err := i.s.liveSnapshot(i.id, i.snap, i.kind, "read a snapshot of "+i.label)
	if errors.Is(err, syscall.ENOENT) {
		return i.s.because(syscall.ESTALE, "the snapshot was removed", "read a snapshot of %s", i.label)
	}
	return err
}
