package librbd

import (
	"strings"
	"syscall"
)

// maxKeys is how many metadata keys are asked for at once. It is as many as the
// OSD class reads at once (RBD_MAX_KEYS_READ).
const maxKeys = 64

// MetadataKeys returns the keys of the image's metadata, all but those of rbdfs;
// ENOENT.
//
// Calls rados_read_op_exec with metadata_list, for 64 keys at once.
func (p *Pool) MetadataKeys(id string) (keys []string, err error) {
	err = p.read(func(s *session) error {
		keys = nil
		for after := ""; ; {
			out, errno := readStep(s.io, headerObject(id), "metadata_list", new(encoder).str(after).u64(maxKeys).b)
			if errno != 0 {
				return s.check(errno, "list the metadata of image %s", id)
			}
			n := 0
			if after, n, err = s.metadataKeys(id, out, &keys); err != nil || n < maxKeys {
				return err
			}
		}
	})
	return keys, err
}

// metadataKeys appends to keys those that metadata_list has answered, but for ours.
// It returns the last of all of them, and how many there were.
func (s *session) metadataKeys(id string, page []byte, keys *[]string) (last string, n int, err error) {
	d := decoder{b: page}
	all := d.strings()
	if d.err != nil {
		return "", 0, s.because(syscall.EIO, "it cannot be understood", "list the metadata of image %s", id)
	}
	for key := range all {
		last = max(last, key)
		if !strings.HasPrefix(key, ourKeys) {
			*keys = append(*keys, key)
		}
	}
	return last, len(all), nil
}
