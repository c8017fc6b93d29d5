package librbd

import (
	"strings"
	"syscall"

	"rbdfs/rbdio"
)

// maxKeys is how many metadata keys are asked for at once. It is as many as the
// OSD class reads at once (RBD_MAX_KEYS_READ).
const maxKeys = 64

// Outline tells which details and metadata an image has; ENOENT.
//
// Calls rados_read_op_exec with the methods of Stat's header and metadata_list, in
// one operation for up to 64 metadata keys.
func (p *Pool) Outline(id string) (o rbdio.Outline, err error) {
	err = p.read(func(s *session) error {
		steps := append(headerSteps(noSnap), metadataStep(""))
		h, err := s.headerOf(id, steps, readSteps(s.io, headerObject(id), steps))
		if err != nil {
			return err
		}
		o = h.outline()
		page := steps[len(steps)-1]
		for {
			last, n, err := s.metadataKeys(id, page, &o.Metadata)
			if err != nil || n < maxKeys {
				return err
			}
			page = metadataStep(last)
			page.out, page.errno = readStep(s.io, headerObject(id), page.method, page.in)
		}
	})
	return o, err
}

// outline tells which details the header says that an image has. librbd looks for
// a parent where the two overlap, too.
func (h header) outline() rbdio.Outline {
	return rbdio.Outline{
		Features: h.features != 0,
		DataPool: h.features&featureDataPool != 0,
		Parent:   h.parent,
		Flags:    h.flags != 0,
	}
}

// metadataStep lists the metadata whose keys are behind after.
func metadataStep(after string) step {
	return step{method: "metadata_list", in: new(encoder).str(after).u64(maxKeys).b}
}

// metadataKeys appends to keys those that a metadataStep has answered, but for
// ours. It returns the last of all of them, and how many there were.
func (s *session) metadataKeys(id string, page step, keys *[]string) (last string, n int, err error) {
	if page.errno != 0 {
		return "", 0, s.check(page.errno, "list the metadata of image %s", id)
	}
	d := decoder{b: page.out}
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
