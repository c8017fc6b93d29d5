package librbd

import (
	"fmt"
	"syscall"

	"github.com/ceph/go-ceph/rbd"
)

// Formats of clones: one of format 1 needs a protected snapshot, one of format 2
// does not, and needs OSDs of Mimic.
const (
	cloneFormat1 = 1
	cloneFormat2 = 2
)

// CloneSnapshot makes a copy-on-write clone of a snapshot with the options of new
// images, and returns its id; ENOENT, EEXIST, EINVAL also for an empty image,
// EOPNOTSUPP without the layering feature, EPERM.
//
// Calls rbd_clone3, and rbd_snap_protect where the cluster needs that.
func (p *Pool) CloneSnapshot(imageID string, snapID uint64, name string) (id string, err error) {
	what := fmt.Sprintf("clone snapshot %d of image %s as %q", snapID, imageID, name)
	if err := nameable(what, name); err != nil {
		return "", err
	}
	err = p.change(what, func(s *session) error {
		snap, err := s.userSnapshot(imageID, snapID, what)
		if err != nil {
			return err
		}
		parent, err := s.nameOf(imageID, what)
		if err != nil {
			return err
		}
		if snap.Size == 0 {
			return s.because(syscall.EINVAL, "RBD has no clones of empty images", "%s", what)
		}
		switch errno := p.cloneAny(s, parent, snap.Name, name); errno {
		case 0:
		case syscall.ENOSYS:
			return s.because(syscall.EOPNOTSUPP, "the image lacks the layering feature", "%s", what)
		default:
			return s.check(errno, "%s", what)
		}
		id, err = s.lookup(name)
		return err
	})
	return id, err
}

// cloneAny makes a clone of format 2, and where the cluster refuses that, or
// rbd_default_clone_format says so, one of format 1.
func (p *Pool) cloneAny(s *session, parent, snap, name string) syscall.Errno {
	if option(s.conn, "rbd_default_clone_format") == "1" {
		return p.cloneProtected(s, parent, snap, name)
	}
	errno := p.clone(s, parent, snap, name, cloneFormat2)
	switch errno {
	case syscall.EOPNOTSUPP, syscall.EINVAL:
		errno = p.cloneProtected(s, parent, snap, name)
	}
	return errno
}

// nameOf returns the name of the image with an id.
//
// Calls rados_read_op_exec with dir_get_name.
func (s *session) nameOf(id, what string) (string, error) {
	return s.nameIn(directoryObject, id, what)
}

// nameIn returns the name that a directory has for an id.
func (s *session) nameIn(oid, id, what string) (string, error) {
	out, errno := readStep(s.io, oid, "dir_get_name", new(encoder).str(id).b)
	d := &decoder{b: out}
	name := d.str()
	if errno == 0 && d.err != nil {
		errno = syscall.EIO
	}
	return name, s.check(errno, "%s: ask for its name", what)
}

// clone makes a clone of a format.
//
// Calls rbd_clone3.
func (p *Pool) clone(s *session, parent, snap, name string, format uint64) syscall.Errno {
	options, err := p.cfg.imageOptions()
	if err != nil {
		return syscall.EINVAL
	}
	defer options.Destroy()
	wanted := map[rbd.ImageOption]uint64{rbd.ImageOptionCloneFormat: format}
	if p.cfg.ObjectSize != 0 { // the parent's stripe unit, its object size, need not fit
		wanted[rbd.ImageOptionStripeUnit], wanted[rbd.ImageOptionStripeCount] = p.cfg.ObjectSize, 1
	}
	if len(p.cfg.Features) > 0 { // without layering there are no clones
		bits, err := featureBits(append([]string{"layering"}, p.cfg.Features...))
		if err != nil {
			return syscall.EINVAL
		}
		wanted[rbd.ImageOptionFeatures] = bits
	}
	for option, value := range wanted {
		if err := options.SetUint64(option, value); err != nil {
			return errnoFrom(err)
		}
	}
	return errnoFrom(rbd.CloneImage(s.io, parent, snap, s.io, name, options))
}

// cloneProtected makes a clone of format 1, and protects the snapshot for it.
//
// Calls rbd_snap_protect and rbd_clone3.
func (p *Pool) cloneProtected(s *session, parent, snapName, name string) syscall.Errno {
	img, err := rbd.OpenImage(s.io, parent, "")
	if err != nil {
		return errnoFrom(err)
	}
	defer img.Close()
	snap := img.GetSnapshot(snapName)
	protected, err := snap.IsProtected()
	if err == nil && !protected {
		err = snap.Protect()
	}
	if err != nil {
		return errnoFrom(err)
	}
	errno := p.clone(s, parent, snapName, name, cloneFormat1)
	if errno != 0 && !protected {
		if err := snap.Unprotect(); err != nil {
			p.log.Warn("a snapshot that was not cloned stays protected", "image", parent, "snapshot", snapName, "error", err)
		}
	}
	return errno
}
