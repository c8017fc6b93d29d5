package fs

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// setxattr sets an attribute.
func (tr *tree) setxattr(node uint64, name, value string, flags uint32) fuse.Status {
	return tr.raw.SetXAttr(nil, &fuse.SetXAttrIn{InHeader: header(node), Flags: flags}, name, []byte(value))
}

// listxattr returns the names of all attributes that are listed.
func (tr *tree) listxattr(node uint64) []string {
	tr.t.Helper()
	h := header(node)
	buf := make([]byte, 1<<16)
	n, status := tr.raw.ListXAttr(nil, &h, buf)
	tr.want("listxattr", status, 0)
	return strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 })
}

// What programs copy is listed: metadata and a user's own, not what the image is.
func TestOnlyMetadataIsListed(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "s"))
	clone, err := tr.pool.CloneSnapshot(id, 1, "clone")
	must(t, err)
	must(t, tr.pool.SetMetadata(clone, "owner", "alice"))
	must(t, tr.pool.SetMetadata(clone, "user.rbd.id", "not ours"))
	must(t, tr.pool.SetMetadata(clone, strings.Repeat("long", 61), "v"))
	node := tr.walk("clone").NodeId
	tr.want("set", tr.setxattr(node, "user.mime_type", "text/plain", 0), 0)
	want := []string{"user.mime_type", "user.rbd.meta.owner", "user.rbd.meta.user.rbd.id"}
	if got := slices.Sorted(slices.Values(tr.listxattr(node))); !slices.Equal(got, want) {
		t.Errorf("listed are %q, want %q", got, want)
	}
	for _, name := range []string{"id", "features", "object_size", "stripe_unit", "stripe_count", "block_name_prefix", "parent", "watchers", "flatten"} {
		if _, status := tr.getxattr(node, "user.rbd."+name, 1<<16); status != fuse.OK {
			t.Errorf("user.rbd.%s answers %v", name, status)
		}
	}
	if value, _ := tr.getxattr(node, "user.rbd.meta.user.rbd.id", 1<<16); value != "not ours" {
		t.Errorf("the metadata is %q", value)
	}
	own, _ := tr.getxattr(node, "user.rbd.id", 1<<16)
	tr.want("set what it is already", tr.setxattr(node, "user.rbd.id", own, 0), syscall.EPERM)
}

// A user's own attributes hold any bytes, and are metadata.
func TestUsersOwnAttributes(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	node := tr.walk("vm1").NodeId
	for name, value := range map[string]string{
		"user.mime_type": "application/x-raw-disk-image", "user.DOSATTRIB": "\x00\x00\x05\x00", "user.0s": "0stext", "user.empty": "",
		"user.bytes": "\xff\xfe", "user.a/b c": "value\n", "user.rbd": "not user.rbd.",
	} {
		tr.want("set "+name, tr.setxattr(node, name, value, unix.XATTR_CREATE), 0)
		tr.want("set again "+name, tr.setxattr(node, name, value, unix.XATTR_CREATE), syscall.EEXIST)
		if got, status := tr.getxattr(node, name, 1<<16); got != value || status != fuse.OK {
			t.Errorf("%s is %q, %v, want %q", name, got, status, value)
		}
	}
	if m, err := tr.pool.Metadata(id); m["user.mime_type"] != "application/x-raw-disk-image" || len(m) != 7 || err != nil {
		t.Errorf("the metadata is %q, %v", m, err)
	}
	h := header(node)
	tr.want("remove", tr.raw.RemoveXAttr(nil, &h, "user.mime_type"), 0)
	tr.want("remove again", tr.raw.RemoveXAttr(nil, &h, "user.mime_type"), syscall.ENODATA)
	_, status := tr.getxattr(node, "user.mime_type", 1<<16)
	tr.want("get", status, syscall.ENODATA)
	for name, errno := range map[string]syscall.Errno{
		"user.": syscall.EOPNOTSUPP, "trusted.a": syscall.EOPNOTSUPP, "security.selinux": syscall.EOPNOTSUPP, "user.rbd.a": syscall.EPERM,
		"user.rbd.meta.": syscall.EPERM, "user.rbd.meta.rbdfs.mode": syscall.EPERM,
	} {
		tr.want("set "+name, tr.setxattr(node, name, "v", 0), errno)
		tr.want("remove "+name, tr.raw.RemoveXAttr(nil, &h, name), errno)
	}
	tr.want("set metadata with a NUL", tr.setxattr(node, "user.rbd.meta.a", "a\x00b", 0), syscall.EINVAL)
}

// Desktops ask each file for attributes that it does not have: no image is opened.
func TestAttributesThatAreNotThere(t *testing.T) {
	tr := newTree(t)
	_, err := tr.pool.Foreign().Create("vm1", 100)
	must(t, err)
	node := tr.walk("vm1").NodeId
	for _, name := range []string{"user.xdg.comment", "user.rbd.meta.none"} {
		_, status := tr.getxattr(node, name, 1<<16)
		tr.want("get "+name, status, syscall.ENODATA)
	}
	if n := tr.pool.Calls("Metadata") + tr.pool.Calls("Describe"); n > 0 {
		t.Errorf("the image was opened %d times", n)
	}
}
