package fs

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
)

// Extended attributes: what the image is, read-only, and its metadata.
const (
	xattrPrefix     = "user.rbd."
	xattrMetaPrefix = xattrPrefix + "meta."
)

// xattrValues are the read-only attributes, by name behind xattrPrefix. One
// that an image has none of is left out: getxattr answers ENODATA. The watchers
// are there and empty, since xattrNames cannot tell without opening the image.
func xattrValues(id string, d rbdio.Details) map[string]string {
	values := map[string]string{
		"id":                id,
		"features":          strings.Join(d.Features, ","),
		"object_size":       strconv.FormatUint(d.ObjectSize, 10),
		"stripe_unit":       strconv.FormatUint(d.StripeUnit, 10),
		"stripe_count":      strconv.FormatUint(d.StripeCount, 10),
		"block_name_prefix": d.BlockNamePrefix,
		"data_pool":         d.DataPool,
		"parent":            d.Parent,
		"flags":             strings.Join(d.Flags, ","),
		"watchers":          strings.Join(d.Watchers, ","),
	}
	for name, value := range values {
		if value == "" && name != "watchers" {
			delete(values, name)
		}
	}
	return values
}

// xattrNames are the names of all attributes that an image has: those of
// xattrValues, of flattening and of its metadata.
func xattrNames(o rbdio.Outline) []string {
	names := []string{"id", "object_size", "stripe_unit", "stripe_count", "block_name_prefix", "watchers"}
	for _, maybe := range []struct {
		name string
		has  bool
	}{{"features", o.Features}, {"data_pool", o.DataPool}, {"parent", o.Parent}, {"flags", o.Flags}} {
		if maybe.has {
			names = append(names, maybe.name)
		}
	}
	for i := range names {
		names[i] = xattrPrefix + names[i]
	}
	if o.Parent {
		names = append(names, xattrFlatten)
	}
	for _, key := range o.Metadata {
		names = append(names, xattrMetaPrefix+key)
	}
	return names
}

// noXattr is the answer for an attribute outside user.rbd: ENODATA for a user's
// own, and EOPNOTSUPP for security labels, ACLs and the like, as from any file
// system without them. ls -l asks for two of those with each file, until it hears so.
func noXattr(name string) syscall.Errno {
	if strings.HasPrefix(name, "user.") {
		return syscall.ENODATA
	}
	return syscall.EOPNOTSUPP
}

// Getxattr answers getxattr(2). ENODATA for a name that the image does not have,
// EOPNOTSUPP for kinds of attributes that no image has.
func (n *imageNode) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, xattrPrefix) {
		return 0, noXattr(name)
	}
	var value string
	errno := n.call(ctx, n.name(), func() (err error) {
		value, err = n.xattr(name)
		return n.gone(err)
	})
	if errno != 0 {
		return 0, errno
	}
	return copyOut(dest, value)
}

// xattr returns the value of one extended attribute.
func (n *imageNode) xattr(name string) (string, error) {
	if name == xattrFlatten {
		return n.flattening()
	}
	var values map[string]string
	var key string
	if meta, ok := strings.CutPrefix(name, xattrMetaPrefix); ok {
		metadata, err := n.pool.Metadata(n.id)
		if err != nil {
			return "", err
		}
		values, key = metadata, meta
	} else {
		details, err := n.pool.Describe(n.id)
		if err != nil {
			return "", err
		}
		values, key = xattrValues(n.id, details), strings.TrimPrefix(name, xattrPrefix)
	}
	value, ok := values[key]
	if !ok {
		return "", rbdio.Errorf(syscall.ENODATA, "get %s", name)
	}
	return value, nil
}

// Listxattr answers listxattr(2). ls -l of coreutils 9.7 asks so for each file, one
// after the other, so that the image is not opened for it.
func (n *imageNode) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	var list strings.Builder
	errno := n.call(ctx, n.name(), func() error {
		outline, err := n.pool.Outline(n.id)
		if err != nil {
			return n.gone(err)
		}
		for _, name := range xattrNames(outline) {
			list.WriteString(name + "\x00")
		}
		return nil
	})
	if errno != 0 {
		return 0, errno
	}
	return copyOut(dest, list.String())
}

// Setxattr answers setxattr(2): it sets image metadata. EPERM for the read-only
// attributes, EOPNOTSUPP for names outside user.rbd, EEXIST and ENODATA by flags,
// EINVAL for a value with a NUL byte, which rbd_metadata_set would end at. Of
// user.rbd.flatten it begins or stops a flattening.
func (n *imageNode) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	if name == xattrFlatten {
		return n.flatten(ctx, string(data))
	}
	key, errno := metaKey(name)
	if errno != 0 {
		return errno
	}
	value := string(data)
	if strings.Contains(value, "\x00") {
		return syscall.EINVAL
	}
	return n.call(ctx, n.name(), func() error {
		if flags != 0 {
			_, err := n.xattr(name)
			missing := errors.Is(err, syscall.ENODATA)
			switch {
			case err != nil && !missing:
				return n.gone(err)
			case flags&unix.XATTR_CREATE != 0 && !missing:
				return rbdio.Errorf(syscall.EEXIST, "create %s", name)
			case flags&unix.XATTR_REPLACE != 0 && missing:
				return rbdio.Errorf(syscall.ENODATA, "replace %s", name)
			}
		}
		return n.gone(n.pool.SetMetadata(n.id, key, value))
	})
}

// Removexattr answers removexattr(2) for image metadata; the errors are
// Setxattr's, and ENODATA.
func (n *imageNode) Removexattr(ctx context.Context, name string) syscall.Errno {
	key, errno := metaKey(name)
	if errno != 0 {
		return errno
	}
	return n.call(ctx, n.name(), func() error {
		if _, err := n.xattr(name); err != nil {
			return n.gone(err)
		}
		return n.gone(n.pool.RemoveMetadata(n.id, key))
	})
}

// metaKey returns the metadata key of an attribute that can be changed.
func metaKey(name string) (string, syscall.Errno) {
	key, ok := strings.CutPrefix(name, xattrMetaPrefix)
	switch {
	case ok && key != "" && !strings.HasPrefix(key, "rbdfs."):
		return key, 0
	case strings.HasPrefix(name, xattrPrefix):
		return "", syscall.EPERM
	}
	return "", syscall.EOPNOTSUPP
}

// copyOut answers a request for a value: its size for an empty buffer, ERANGE
// for one that is too small.
func copyOut(dest []byte, value string) (uint32, syscall.Errno) {
	if len(dest) > 0 && len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value) + max(0, len(value)-len(dest))), 0
}
