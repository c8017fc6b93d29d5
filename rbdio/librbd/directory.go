package librbd

import (
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

const (
	// directoryObject maps the names of a pool's images to their ids and back.
	directoryObject = "rbd_directory"
	// pageSize is how many names one operation returns at most.
	pageSize = 1024
)

// idObject is the object that holds the id of the image called name.
func idObject(name string) string { return "rbd_id." + name }

// listPage returns the names that come after one name, and their ids.
func listPage(io *rados.IOContext, after string) (map[string]string, syscall.Errno) {
	return directoryPage(io, directoryObject, "dir_list", after)
}

// directoryPage is listPage of any directory, by the method that reads it.
func directoryPage(io *rados.IOContext, oid, method, after string) (map[string]string, syscall.Errno) {
	in := new(encoder).str(after).u64(pageSize)
	out, errno := readStep(io, oid, method, in.b)
	if errno != 0 {
		return nil, errno
	}
	d := &decoder{b: out}
	page := d.strings()
	if d.err != nil {
		return nil, syscall.EIO
	}
	return page, 0
}

// List returns every image, in the order of their names. It reads the pool's
// directory, and not rbd_list2, which adds images whose removal is under way:
// they cannot be looked up any more. Images of format 1 have no id and are left
// out.
//
// Calls rados_read_op_exec with dir_list.
func (p *Pool) List() ([]rbdio.Entry, error) {
	return p.directory(directoryObject, "dir_list", "list the pool")
}

// directory returns all entries of a directory, in the order of their names.
func (p *Pool) directory(oid, method, what string) ([]rbdio.Entry, error) {
	var list []rbdio.Entry
	err := p.read(func(s *session) error {
		list = list[:0]
		for after := ""; ; after = list[len(list)-1].Name {
			page, errno := directoryPage(s.io, oid, method, after)
			if errno == syscall.ENOENT {
				return nil // nothing was ever made
			}
			if errno != 0 {
				return s.check(errno, "%s", what)
			}
			begin := len(list)
			for name, id := range page {
				list = append(list, rbdio.Entry{Name: name, ID: id})
			}
			added := list[begin:]
			sort.Slice(added, func(i, j int) bool { return added[i].Name < added[j].Name })
			if len(page) < pageSize {
				return nil
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// reportFormat1 logs the images that List leaves out because they are of format
// 1, which Ceph has not made since 2016. They are told from those that are being
// removed by their header.
//
// Calls rbd_list2 and rados_stat.
func (p *Pool) reportFormat1(s *session) {
	all, err := rbd.GetImageNames(s.io)
	if err != nil {
		return
	}
	listed, err := p.List()
	if err != nil || len(listed) == len(all) {
		return
	}
	for _, name := range all {
		if _, found := slices.BinarySearchFunc(listed, name, byName); found {
			continue
		}
		if _, err := s.io.Stat(name + ".rbd"); err == nil {
			p.log.Warn("an image of format 1 is left out; rbd migration makes it one of format 2", "image", name)
		}
	}
}

// byName compares an entry's name.
func byName(e rbdio.Entry, name string) int { return strings.Compare(e.Name, name) }

// Lookup returns the id of the image called name; ENOENT.
//
// Calls rados_read_op_exec with get_id.
func (p *Pool) Lookup(name string) (id string, err error) {
	err = p.read(func(s *session) error {
		id, err = s.lookup(name)
		return err
	})
	return id, err
}

// lookup is Lookup on one session.
func (s *session) lookup(name string) (string, error) {
	steps := []step{{method: "get_id"}}
	errno := readSteps(s.io, idObject(name), steps)
	return s.idOf(name, steps[0], errno)
}

// idOf takes the id of an image out of what get_id has answered, and errno the
// operation.
func (s *session) idOf(name string, got step, errno syscall.Errno) (string, error) {
	if errno == 0 {
		errno = got.errno
	}
	if errno != 0 {
		return "", s.check(errno, "look up %q", name)
	}
	d := &decoder{b: got.out}
	if id := d.str(); d.err == nil && id != "" {
		return id, nil
	}
	return "", s.because(syscall.EIO, "its id cannot be read", "look up %q", name)
}

// nameable refuses a name that the rbd command could not address (ceph:
// src/tools/rbd/Utils.cc, extract_spec).
func nameable(what, name string) error {
	if name == "" || strings.ContainsAny(name, "@/\x00") {
		return &rbdio.Error{Op: what, Errno: syscall.EINVAL, Why: "the rbd command could not address something of that name"}
	}
	return nil
}

// Create makes an empty image and returns its id; EEXIST, EINVAL, EPERM, EROFS.
//
// Calls rbd_create4.
func (p *Pool) Create(name string) (id string, err error) {
	what := "create " + quote(name)
	if err := nameable(what, name); err != nil {
		return "", err
	}
	err = p.change(what, func(s *session) error {
		options, err := p.cfg.imageOptions()
		if err != nil {
			return s.because(syscall.EINVAL, err.Error(), "%s", what)
		}
		defer options.Destroy()
		if err := s.check(errnoFrom(rbd.CreateImage(s.io, name, 0, options)), "%s", what); err != nil {
			return err
		}
		id, err = s.lookup(name)
		return err
	})
	return id, err
}

// imageOptions are those of a new image. The caller destroys them.
//
// Calls rbd_image_options_create and rbd_image_options_set_uint64.
func (c Config) imageOptions() (*rbd.ImageOptions, error) {
	options := rbd.NewRbdImageOptions()
	set := func() error {
		if c.ObjectSize != 0 {
			if err := options.SetUint64(rbd.ImageOptionOrder, log2(c.ObjectSize)); err != nil {
				return err
			}
		}
		if len(c.Features) > 0 {
			bits, err := featureBits(c.Features)
			if err != nil {
				return err
			}
			if err := options.SetUint64(rbd.ImageOptionFeatures, bits); err != nil {
				return err
			}
		}
		if c.DataPool != "" {
			return options.SetString(rbd.ImageOptionDataPool, c.DataPool)
		}
		return nil
	}
	if err := set(); err != nil {
		options.Destroy()
		return nil, err
	}
	return options, nil
}

// Rename changes an image's name, and never replaces another; ENOENT, EEXIST.
//
// Calls rbd_rename, and those of renameFull.
func (p *Pool) Rename(name, newName string) error {
	what := "rename " + quote(name) + " to " + quote(newName)
	if err := nameable(what, newName); err != nil {
		return err
	}
	return p.change(what, func(s *session) error {
		errno := errnoFrom(rbd.GetImage(s.io, name).Rename(newName))
		if isFull(errno) {
			return s.renameFull(name, newName, errno)
		}
		return s.check(errno, "%s", what)
	})
}
