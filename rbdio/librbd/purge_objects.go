package librbd

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// rbd_trash_remove goes through each object that an image may have, so a large image
// costs its size, whatever it holds, and the call cannot be stopped. So the objects are
// deleted here before: those that the object map knows, by their names, or all of an
// image without one. librbd then finds an image of no size, and removes the rest.
//
// What keeps that safe:
//   - The image is in the trash, and its entry says that it is being removed before
//     anything is, as librbd does it too: nobody can restore it any more.
//   - The exclusive lock is held, so nobody writes, and the object map is that of now;
//     and nobody else has the image open: the same watchers are looked for as librbd
//     looks for, before the lock is asked for and when it is there.
//   - Objects come first, the last one of the image first of all, and the size in the
//     header follows behind them. What is cut off leaves an image whose header and
//     object map still cover all objects that there are: none is leaked, and the next
//     purge goes on, also one by librbd itself.
//   - What is not known to be alright so is left to librbd: snapshots, also those of
//     mirroring, a journal, a migration, and features of the future.

// emptyFeatures are the features of images whose objects are deleted here.
const emptyFeatures = rbd.FeatureLayering | featureStriping | featureExclusiveLock | featureObjectMap |
	featureFastDiff | rbd.FeatureDeepFlatten | featureDataPool | rbd.FeatureOperations

// opFeatureCloneChild says that an image is a clone of format 2; the other operation
// features concern snapshots and groups.
const opFeatureCloneChild = 1 << 1

// States of an entry of the trash (ceph: src/cls/rbd/cls_rbd_types.h: TrashImageState).
const (
	trashNormal   = 0
	trashRemoving = 2
)

// Deletions that run at once, as with librbd (rbd_concurrent_management_ops), and those
// that are done before the header gets another size.
const (
	deleteAtOnce = 10
	deletePiece  = 4096
)

// contents says where an image's objects are.
type contents struct {
	io      *rados.IOContext // of the pool that has them
	prefix  string           // of their names
	size    uint64           // of the image, bytes
	period  uint64           // of the striping, bytes
	stripes uint64           // objects in a period
	objects uint64           // those that there may be are below
	known   bool             // by have
	have    objectMap
}

// empty deletes the objects of an image that is in the trash, and sets its size to 0;
// EBUSY, rbdio.ErrStopped. It does nothing to an image that librbd must purge, or that
// cannot be opened.
//
// Calls rbd_open_by_id, rbd_watchers_list, rbd_lock_acquire, rados_read_op_exec,
// rados_write_op_exec with trash_state_set and set_size, and rados_remove.
func (s *session) empty(id, what string, progress *rbdio.Progress) error {
	img, err := rbd.OpenImageById(s.io, id, rbd.NoSnapshot)
	if errno := errnoFrom(err); errno == rbdio.Fenced {
		return s.check(errno, "%s", what)
	} else if errno != 0 {
		return nil
	}
	defer img.Close()
	if err := s.unopened(img, what, 1); err != nil {
		return err
	}
	if err := s.lockToPurge(img, id, what); err != nil {
		return err
	}
	if err := s.unopened(img, what, 1); err != nil {
		return err
	}
	c, ok, err := s.contents(id, what)
	if err != nil || !ok {
		return err
	}
	removing := (&encoder{}).str(id)
	removing.b = append(removing.b, trashRemoving, trashNormal)
	switch errno := writeSteps(s.io, trashObject, []step{{method: "trash_state_set", in: removing.b}}); errno {
	case 0:
		return s.deleteContents(id, what, c, progress)
	case rbdio.Fenced:
		return s.check(errno, "%s", what)
	}
	return nil // being restored, or still on its way to the trash: librbd says so
}

// lockToPurge gets the exclusive lock of an image, if it has one; EBUSY.
//
// Calls rbd_lock_acquire.
func (s *session) lockToPurge(img *rbd.Image, id, what string) error {
	h, err := s.header(id, noSnap)
	if err != nil || h.features&featureExclusiveLock == 0 {
		return err
	}
	switch errno := errnoFrom(img.LockAcquire(rbd.LockModeExclusive)); errno {
	case 0:
		return nil
	case rbdio.Fenced:
		return s.check(errno, "%s", what)
	default:
		return s.because(syscall.EBUSY, "its exclusive lock cannot be had: "+errno.Error(), "%s", what)
	}
}

// contents finds out where an image's objects are. It is not ok when librbd must
// delete them.
func (s *session) contents(id, what string) (c contents, ok bool, err error) {
	steps := append(headerSteps(noSnap),
		step{method: "op_features_get"}, step{method: "get_snapcontext"},
		step{method: "get_object_prefix"}, step{method: "get_data_pool"}, step{method: "get_stripe_unit_count"})
	errno := readSteps(s.io, headerObject(id), steps)
	h, err := s.headerOf(id, steps, errno)
	if err != nil {
		return c, false, err
	}
	more := steps[len(headerSteps(noSnap)):]
	if !plain(h, more[0], more[1]) || more[2].errno != 0 {
		return c, false, nil
	}
	c = contents{io: s.io, size: h.size, stripes: 1, prefix: (&decoder{b: more[2].out}).str()}
	if h.features&featureDataPool != 0 {
		d := &decoder{b: more[3].out}
		data, err := s.in(int64(d.u64()))
		if err != nil || more[3].errno != 0 || d.err != nil {
			return c, false, err
		}
		c.io = data.io
	}
	if h.features&featureStriping != 0 {
		d := &decoder{b: more[4].out}
		d.u64() // the unit
		c.stripes = d.u64()
		if more[4].errno != 0 || d.err != nil || c.stripes == 0 {
			return c, false, nil
		}
	}
	c.period = h.objectSize * c.stripes
	c.objects = (h.size + c.period - 1) / c.period * c.stripes
	c.have, c.known, err = s.objectMapOf(id, h, what)
	return c, c.prefix != "", err
}

// plain tells whether an image has only what may be deleted here: features, operation
// features and no snapshots.
func plain(h header, opFeatures, snapContext step) bool {
	ops := uint64(0)
	if h.features&rbd.FeatureOperations != 0 {
		d := &decoder{b: opFeatures.out}
		ops = d.u64()
		if opFeatures.errno != 0 || d.err != nil {
			return false
		}
	}
	d := &decoder{b: snapContext.out}
	d.u64() // the newest snapshot that there ever was
	snaps := d.u32()
	return snapContext.errno == 0 && d.err == nil && snaps == 0 &&
		h.features&^emptyFeatures == 0 && ops&^opFeatureCloneChild == 0
}

// objectMapOf reads an image's object map, if it has one that can be relied on.
func (s *session) objectMapOf(id string, h header, what string) (m objectMap, ok bool, err error) {
	if h.features&featureObjectMap == 0 || h.flags&flagObjectMapInvalid != 0 {
		return m, false, nil
	}
	out, errno := readStep(s.io, objectMapObject(id), objectMapLoad, nil)
	if errno == syscall.ENOENT {
		return m, false, nil
	}
	if errno != 0 {
		return m, false, s.check(errno, "%s: read its object map", what)
	}
	m, err = decodeObjectMap(out)
	if err != nil || m.objects < (h.size+h.objectSize-1)/h.objectSize {
		return m, false, nil
	}
	return m, true, nil
}

// deleteContents deletes the objects of an image, the last one first, and has its size
// follow.
func (s *session) deleteContents(id, what string, c contents, progress *rbdio.Progress) error {
	total := c.count()
	progress.Total.Store(max(total, 1))
	rest := c.objects
	for {
		var piece []uint64
		piece, rest = c.before(rest)
		if err := s.deleteObjects(c, piece, what, progress); err != nil {
			return err
		}
		size := uint64(0)
		if rest > 0 {
			// What is below rest may exist, in the period that has rest in it, too.
			size = min(c.size, (rest+c.stripes-1)/c.stripes*c.period)
		}
		errno := writeSteps(s.io, headerObject(id), []step{{method: "set_size", in: new(encoder).u64(size).b}})
		if errno != 0 {
			return s.check(errno, "%s: set its size to %d bytes", what, size)
		}
		if rest == 0 {
			return nil
		}
	}
}

// before returns the last of an image's objects below one, deletePiece of them at most,
// and the lowest; 0 when there are no more.
func (c *contents) before(object uint64) (piece []uint64, rest uint64) {
	for rest = object; rest > 0; {
		if c.known && rest%objectsPerByte == 0 && c.have.emptyByte(rest/objectsPerByte-1) {
			rest -= objectsPerByte
			continue
		}
		rest--
		if !c.known || rest >= c.have.objects || c.have.exists(rest) {
			piece = append(piece, rest)
			if len(piece) == deletePiece {
				break
			}
		}
	}
	return piece, rest
}

// count returns how many objects there may be.
func (c *contents) count() uint64 {
	if !c.known {
		return c.objects
	}
	n := uint64(0)
	for i := range c.have.objects {
		if i%objectsPerByte == 0 && c.have.emptyByte(i/objectsPerByte) {
			continue
		}
		if c.have.exists(i) {
			n++
		}
	}
	return n
}

// deleteObjects deletes some objects, a few at once, and returns when all are gone, or
// after an error; rbdio.ErrStopped.
func (s *session) deleteObjects(c contents, objects []uint64, what string, progress *rbdio.Progress) error {
	var next atomic.Int64
	errs := make([]error, deleteAtOnce)
	var wg sync.WaitGroup
	for worker := range errs {
		wg.Go(func() {
			for errs[worker] == nil {
				i := next.Add(1) - 1
				if i >= int64(len(objects)) {
					return
				}
				errs[worker] = s.deleteObject(c, objects[i], what, progress)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteObject deletes one object, which need not be there.
//
// Calls rados_remove.
func (s *session) deleteObject(c contents, object uint64, what string, progress *rbdio.Progress) error {
	if progress.Stop.Load() != 0 {
		return rbdio.ErrStopped
	}
	errno := errnoFrom(c.io.Delete(fmt.Sprintf("%s.%016x", c.prefix, object)))
	if errno != 0 && errno != syscall.ENOENT {
		return s.check(errno, "%s: delete object %d", what, object)
	}
	progress.Done.Add(1)
	return nil
}
