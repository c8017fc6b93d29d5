package librbd

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"rbdfs/rbdio"
)

// RBD keeps an image's metadata once, and not with each snapshot. So a snapshot
// made through a mount leaves a key of its own, with the mode and owner that were
// kept then. It sorts behind all other keys of rbdfs, so that reading those with a
// limit (maxOurKeys) never misses one. The image's id is in the value, since clones
// and copies of an image take its metadata with them.

// keySnapAttr is the key of a snapshot's attributes.
func keySnapAttr(snap uint64) string { return ourKeys + "~" + strconv.FormatUint(snap, 10) }

// keepSnapAttr keeps the attributes that an image had when a snapshot was taken.
// The snapshot is there without them, and has then the image's of now.
//
// Calls rados_write_op_exec with metadata_set.
func (s *session) keepSnapAttr(imageID string, snap uint64, attr rbdio.Attr) {
	value := formatSnapAttr(imageID, attr)
	errno := writeSteps(s.io, headerObject(imageID), []step{metadataSet(map[string]string{keySnapAttr(snap): value})})
	if errno != 0 {
		s.pool.log.Warn("a snapshot will show the image's mode and owner of now", "image", imageID, "snapshot", snap, "error", errno)
	}
}

// dropSnapAttr forgets the attributes of a snapshot that was removed.
//
// Calls rados_write_op_exec with metadata_remove.
func (s *session) dropSnapAttr(imageID string, snap uint64) {
	key := new(encoder).str(keySnapAttr(snap)).b
	errno := writeSteps(s.io, headerObject(imageID), []step{{method: "metadata_remove", in: key}})
	if errno != 0 && errno != syscall.ENOENT {
		s.pool.log.Debug("the mode and owner of a removed snapshot stay in the metadata", "image", imageID, "snapshot", snap, "error", errno)
	}
}

// snapAttr returns the attributes that were kept with a snapshot, and false for
// one that was made by another tool.
//
// Calls rados_read_op_exec with metadata_get.
func (s *session) snapAttr(imageID string, snap uint64) (rbdio.Attr, bool) {
	out, errno := readStep(s.io, headerObject(imageID), "metadata_get", new(encoder).str(keySnapAttr(snap)).b)
	d := &decoder{b: out}
	value := d.str()
	if errno != 0 || d.err != nil {
		return rbdio.Attr{}, false
	}
	return parseSnapAttr(imageID, value)
}

// formatSnapAttr writes image id, mode, uid and gid; "-" for what is not kept.
func formatSnapAttr(imageID string, attr rbdio.Attr) string {
	field := func(format string, v *uint32) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(format, *v)
	}
	return strings.Join([]string{imageID, field("%04o", attr.Mode), field("%d", attr.UID), field("%d", attr.GID)}, " ")
}

// parseSnapAttr is the inverse of formatSnapAttr; false for another image's.
func parseSnapAttr(imageID, value string) (rbdio.Attr, bool) {
	f := strings.Fields(value)
	if len(f) != 4 || f[0] != imageID {
		return rbdio.Attr{}, false
	}
	return parseAttr(map[string]string{keyMode: f[1], keyUID: f[2], keyGID: f[3]}), true
}
