package librbd

import (
	"fmt"
	"strconv"
	"time"

	"rbdfs/rbdio"
)

// SetAttr keeps the attributes that attr names; ENOENT, EPERM, EROFS. It writes
// them into the header itself: opening the image to do so would take the
// exclusive lock away from its user.
//
// Calls rados_write_op_exec with metadata_set, and rados_write_op_omap_set.
func (p *Pool) SetAttr(id string, attr rbdio.Attr) error {
	what := "set attributes of image " + id
	steps := attrSteps(attr)
	if len(steps) == 0 {
		return nil
	}
	return p.change(what, func(s *session) error {
		return s.check(writeSteps(s.io, headerObject(id), steps), "%s", what)
	})
}

// attrSteps are the parts of the operation that keeps attr. The class's own
// set_modify_timestamp and set_access_timestamp know no time but now, so those
// two are written as they write them: a utime_t in an omap key.
func attrSteps(attr rbdio.Attr) []step {
	kept := map[string]string{}
	if attr.Mode != nil {
		kept[keyMode] = fmt.Sprintf("%04o", *attr.Mode&0o777)
	}
	if attr.UID != nil {
		kept[keyUID] = strconv.FormatUint(uint64(*attr.UID), 10)
	}
	if attr.GID != nil {
		kept[keyGID] = strconv.FormatUint(uint64(*attr.GID), 10)
	}
	if attr.Changed != nil {
		kept[keyChanged] = formatTime(*attr.Changed)
	}
	var steps []step
	if len(kept) > 0 {
		steps = append(steps, metadataSet(kept))
	}
	if attr.Modified != nil {
		steps = append(steps, step{key: "modify_timestamp", in: new(encoder).utime(*attr.Modified).b})
	}
	if attr.Accessed != nil {
		steps = append(steps, step{key: "access_timestamp", in: new(encoder).utime(*attr.Accessed).b})
	}
	return steps
}

// metadataSet is the step that sets image metadata.
func metadataSet(m map[string]string) step {
	return step{method: "metadata_set", in: new(encoder).strings(m).b}
}

// formatTime is the inverse of parseTime.
func formatTime(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
