package fs

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"rbdfs/rbdio"
)

// Extended attributes: what the image is, read-only, and its metadata.
//
//	user.rbd.NAME      what the image is; answers by its name, and is not listed
//	user.rbd.meta.KEY  the metadata KEY, as rbd image-meta has it
//	user.NAME          a user's own, kept as the metadata user.NAME
//
// What is not listed is not copied: rsync -X, tar --xattrs, cp -a and mv would end
// with an error for each attribute that no other file can have. CephFS lists its own
// neither.
const (
	xattrPrefix     = "user.rbd."
	xattrMetaPrefix = xattrPrefix + "meta."
	xattrUserPrefix = "user."
	xattrNameMax    = 255 // XATTR_NAME_MAX of limits.h
)

// xattrValues are the read-only attributes, by name behind xattrPrefix. One
// that an image has none of is left out: getxattr answers ENODATA. The watchers
// are there and empty when nobody has the image open for writing.
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

// xattrNames are the names of the attributes that are listed: those of the metadata.
func xattrNames(keys []string) []string {
	var names []string
	for _, key := range keys {
		name := xattrMetaPrefix + key
		if ownXattr(key) {
			name = key
		}
		if key != "" && len(name) <= xattrNameMax && !strings.Contains(name, "\x00") {
			names = append(names, name)
		}
	}
	return names
}

// ownXattr tells whether a name is that of a user's own attribute, which is also the
// key of the metadata that keeps it.
func ownXattr(name string) bool {
	return strings.HasPrefix(name, xattrUserPrefix) && name != xattrUserPrefix && !strings.HasPrefix(name, xattrPrefix)
}

// metadataKey returns the metadata key that an attribute stands for.
func metadataKey(name string) (key string, ok bool) {
	if ownXattr(name) {
		return name, true
	}
	return strings.CutPrefix(name, xattrMetaPrefix)
}

// noXattr is the answer for an attribute that cannot be there: ENODATA for a user's
// own, and EOPNOTSUPP for security labels, ACLs and the like, as from any file
// system without them. ls -l asks for two of those with each file, until it hears so.
func noXattr(name string) syscall.Errno {
	if strings.HasPrefix(name, xattrUserPrefix) {
		return syscall.ENODATA
	}
	return syscall.EOPNOTSUPP
}

// Getxattr answers getxattr(2). ENODATA for a name that the image does not have,
// EOPNOTSUPP for kinds of attributes that no image has.
func (n *imageNode) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(name, xattrPrefix) && !ownXattr(name) {
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
	if key, ok := metadataKey(name); ok {
		return n.metadata(name, key)
	}
	details, err := n.pool.Describe(n.id)
	if err != nil {
		return "", err
	}
	value, ok := xattrValues(n.id, details)[strings.TrimPrefix(name, xattrPrefix)]
	if !ok {
		return "", rbdio.Errorf(syscall.ENODATA, "get %s", name)
	}
	return value, nil
}

// metadata returns the value of an attribute that is kept as metadata. The image is
// opened only for one that is there: desktops ask each file for several.
func (n *imageNode) metadata(name, key string) (string, error) {
	keys, err := n.pool.MetadataKeys(n.id)
	if err != nil {
		return "", err
	}
	if slices.Contains(keys, key) {
		values, err := n.pool.Metadata(n.id)
		if err != nil {
			return "", err
		}
		if value, ok := values[key]; ok {
			return decodeXattr(name, value), nil
		}
	}
	return "", rbdio.Errorf(syscall.ENODATA, "get %s", name)
}

// xattrBase64 begins the metadata of an attribute's value that RBD could not keep as
// it is, as setfattr(1) and getfattr(1) write it.
const xattrBase64 = "0s"

// encodeXattr returns the metadata for an attribute's value. A user's own may be any
// bytes, such as those of Samba's user.DOSATTRIB, and rbd_metadata_set would end at a
// NUL. EINVAL for one in user.rbd.meta.
func encodeXattr(name, value string) (string, syscall.Errno) {
	odd := strings.Contains(value, "\x00")
	switch {
	case !ownXattr(name) && odd:
		return "", syscall.EINVAL
	case ownXattr(name) && (odd || strings.HasPrefix(value, xattrBase64)):
		return xattrBase64 + base64.StdEncoding.EncodeToString([]byte(value)), 0
	}
	return value, 0
}

// decodeXattr returns an attribute's value.
func decodeXattr(name, metadata string) string {
	if text, ok := strings.CutPrefix(metadata, xattrBase64); ok && ownXattr(name) {
		if value, err := base64.StdEncoding.DecodeString(text); err == nil {
			return string(value)
		}
	}
	return metadata
}

// Listxattr answers listxattr(2): metadata, and the user's own. ls -l of coreutils 9.7
// asks so for each file, one after the other, so that the image is not opened for it.
func (n *imageNode) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	var list strings.Builder
	errno := n.call(ctx, n.name(), func() error {
		keys, err := n.pool.MetadataKeys(n.id)
		if err != nil {
			return n.gone(err)
		}
		for _, name := range xattrNames(keys) {
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
// attributes, also to the value that they have, EOPNOTSUPP for names outside user.,
// EEXIST and ENODATA by flags, EINVAL for metadata with a NUL byte, which
// rbd_metadata_set would end at. Of user.rbd.flatten it begins or stops a flattening.
func (n *imageNode) Setxattr(ctx context.Context, name string, data []byte, flags uint32) syscall.Errno {
	if name == xattrFlatten {
		return n.flatten(ctx, string(data))
	}
	key, errno := metaKey(name)
	if errno != 0 {
		return errno
	}
	value, errno := encodeXattr(name, string(data))
	if errno != 0 {
		return errno
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
	key, ok := metadataKey(name)
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
