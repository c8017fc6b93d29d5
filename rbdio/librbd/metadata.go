package librbd

import (
	"strings"
	"syscall"

	"github.com/ceph/go-ceph/rbd"
)

// Metadata returns the image's metadata, all but what rbdfs keeps for itself.
//
// Calls rbd_open_by_id_read_only and rbd_metadata_list.
func (p *Pool) Metadata(id string) (m map[string]string, err error) {
	err = p.read(func(s *session) error {
		img, err := rbd.OpenImageByIdReadOnly(s.io, id, "")
		if err != nil {
			return s.check(errnoFrom(err), "open image %s", id)
		}
		defer img.Close()
		all, err := img.ListMetadata()
		if err != nil {
			return s.check(errnoFrom(err), "list the metadata of image %s", id)
		}
		m = make(map[string]string, len(all))
		for key, value := range all {
			if !strings.HasPrefix(key, ourKeys) {
				m[key] = value
			}
		}
		return nil
	})
	return m, err
}

// SetMetadata sets one metadata key; ENOENT, EPERM for the keys of rbdfs. It
// goes through librbd, which tells the image's other users of conf_ keys and
// writes the journal; a client that holds the exclusive lock lends it.
//
// Calls rbd_open_by_id and rbd_metadata_set.
func (p *Pool) SetMetadata(id, key, value string) error {
	return p.changeMetadata(id, key, "set metadata "+quote(key)+" of image "+id,
		func(img *rbd.Image) error { return img.SetMetadata(key, value) })
}

// RemoveMetadata removes one metadata key; ENOENT when it is not set.
//
// Calls rbd_open_by_id and rbd_metadata_remove.
func (p *Pool) RemoveMetadata(id, key string) error {
	return p.changeMetadata(id, key, "remove metadata "+quote(key)+" of image "+id,
		func(img *rbd.Image) error { return img.RemoveMetadata(key) })
}

// changeMetadata opens an image for a change of its metadata.
func (p *Pool) changeMetadata(id, key, what string, change func(*rbd.Image) error) error {
	return p.change(what, func(s *session) error {
		switch {
		case strings.HasPrefix(key, ourKeys):
			return s.because(syscall.EPERM, "rbdfs keeps this key for itself", "%s", what)
		case key == "":
			return s.because(syscall.EINVAL, "the key is empty", "%s", what)
		}
		img, err := rbd.OpenImageById(s.io, id, "")
		if err != nil {
			return s.check(errnoFrom(err), "%s", what)
		}
		err = s.check(errnoFrom(change(img)), "%s", what)
		if closeErr := s.check(errnoFrom(img.Close()), "%s: close it", what); err == nil {
			err = closeErr
		}
		return err
	})
}
