package librbd

import (
	"strconv"
	"syscall"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// Describe tells what an administrator asks of an image; ENOENT.
//
// Calls rbd_open_by_id_read_only, rbd_stat, rbd_get_stripe_unit,
// rbd_get_stripe_count, rbd_get_data_pool_id, rbd_get_parent and
// rbd_watchers_list.
func (p *Pool) Describe(id string) (d rbdio.Details, err error) {
	err = p.read(func(s *session) error {
		h, err := s.header(id, noSnap)
		if err != nil {
			return err
		}
		img, err := rbd.OpenImageByIdReadOnly(s.io, id, "")
		if err != nil {
			return s.check(errnoFrom(err), "open image %s", id)
		}
		defer img.Close()
		d, err = s.details(img)
		d.Features = namesOf(h.features, featureNames[:])
		d.Flags = namesOf(h.flags, flagNames[:])
		return s.check(errnoFrom(err), "describe image %s", id)
	})
	return d, err
}

// details asks an open image for all that its header does not say at once.
func (s *session) details(img *rbd.Image) (d rbdio.Details, err error) {
	info, err := img.Stat()
	if err != nil {
		return d, err
	}
	d.ObjectSize, d.BlockNamePrefix = info.Obj_size, info.Block_name_prefix
	if d.StripeUnit, err = img.GetStripeUnit(); err != nil {
		return d, err
	}
	if d.StripeCount, err = img.GetStripeCount(); err != nil {
		return d, err
	}
	if d.DataPool, err = s.dataPool(img); err != nil {
		return d, err
	}
	if d.Parent, err = parentSpec(img); err != nil {
		return d, err
	}
	watchers, err := img.ListWatchers()
	for _, w := range watchers {
		d.Watchers = append(d.Watchers, w.Addr)
	}
	return d, err
}

// dataPool names the pool of an image's data, "" for the image's own.
func (s *session) dataPool(img *rbd.Image) (string, error) {
	id, err := img.GetDataPoolID()
	if err != nil || id < 0 || id == s.io.GetPoolID() {
		return "", err
	}
	name, err := s.conn.GetPoolByID(id)
	if err != nil {
		return strconv.FormatInt(id, 10), nil
	}
	return name, nil
}

// parentSpec names an image's parent as the rbd command does.
func parentSpec(img *rbd.Image) (string, error) {
	parent, err := img.GetParent()
	if err != nil {
		if errnoFrom(err) == syscall.ENOENT {
			return "", nil
		}
		return "", err
	}
	spec := parent.Image.PoolName + "/"
	if parent.Image.PoolNamespace != "" {
		spec += parent.Image.PoolNamespace + "/"
	}
	return spec + parent.Image.ImageName + "@" + parent.Snap.SnapName, nil
}
