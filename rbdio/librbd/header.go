package librbd

import (
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

const (
	// noSnap stands for the image itself, and not one of its snapshots
	// (CEPH_NOSNAP).
	noSnap = math.MaxUint64 - 1
	// ourKeys begin the metadata that rbdfs keeps with an image.
	ourKeys = "rbdfs."
	// maxOurKeys bounds what is read of them.
	maxOurKeys = 16
)

// Keys of the image metadata that rbdfs keeps.
const (
	keyMode    = ourKeys + "mode" // octal
	keyUID     = ourKeys + "uid"
	keyGID     = ourKeys + "gid"
	keyChanged = ourKeys + "ctime"   // seconds.nanoseconds
	keyRemoved = ourKeys + "removed" // see trash.go
)

// headerObject is the object that holds what is known of an image.
func headerObject(id string) string { return "rbd_header." + id }

// objectMapObject is the object that tells which of an image's objects exist. It
// is in the header's pool, also where the image has a data pool.
func objectMapObject(id string) string { return "rbd_object_map." + id }

// header is what one operation reads of an image's header.
type header struct {
	size       uint64
	objectSize uint64
	features   uint64
	flags      uint64
	created    time.Time
	modified   time.Time
	accessed   time.Time
	ours       map[string]string // metadata
	parent     bool              // a parent backs part of it, or may
}

// Stat reads an image's header, without opening the image; ENOENT.
//
// Calls rados_read_op_exec with get_size, get_features, get_flags,
// get_*_timestamp, metadata_list, parent_overlap_get and object_map_load.
func (p *Pool) Stat(id string) (info rbdio.Info, err error) {
	err = p.read(func(s *session) error {
		h, err := s.header(id, noSnap)
		if err != nil {
			return err
		}
		info = h.info(id)
		info.Allocated = s.allocated(objectMapObject(id), h)
		return nil
	})
	return info, err
}

// header reads an image's header, as of one of its snapshots or noSnap.
func (s *session) header(id string, snap uint64) (header, error) {
	steps := headerSteps(snap)
	errno := readSteps(s.io, headerObject(id), steps)
	return s.headerOf(id, steps, errno)
}

// headerSteps are the parts of the operation that reads a header.
func headerSteps(snap uint64) []step {
	head := new(encoder).u64(snap).b
	return []step{
		{method: "get_size", in: head},
		{method: "get_features", in: append(head[:8:8], 1)}, // 1: to read
		{method: "get_flags", in: head},
		{method: "get_create_timestamp"},
		{method: "get_modify_timestamp"},
		{method: "get_access_timestamp"},
		{method: "metadata_list", in: new(encoder).str(ourKeys).u64(maxOurKeys).b},
		{method: "parent_overlap_get", in: head},
	}
}

// headerOf takes the header out of what the steps have answered, and errno their
// operation.
func (s *session) headerOf(id string, steps []step, errno syscall.Errno) (header, error) {
	for _, needed := range steps[:3] {
		if errno == 0 {
			errno = needed.errno
		}
	}
	if errno != 0 {
		return header{}, s.check(errno, "read the header of image %s", id)
	}
	h, ok := decodeHeader(steps)
	if !ok {
		return header{}, s.because(syscall.EIO, "it cannot be understood", "read the header of image %s", id)
	}
	return h, nil
}

// decodeHeader puts together what the steps of session.header have answered.
func decodeHeader(steps []step) (header, bool) {
	d := make([]decoder, len(steps))
	for i, s := range steps {
		d[i].b = s.out
	}
	var h header
	order := d[0].u8()
	h.size = d[0].u64()
	h.features = d[1].u64()
	h.flags = d[2].u64()
	h.created, h.modified, h.accessed = d[3].utime(), d[4].utime(), d[5].utime()
	h.ours = d[6].strings()
	overlap := uint64(0)
	if d[7].u8() != 0 {
		overlap = d[7].u64()
	}
	h.parent = overlap != 0 || d[7].err != nil
	if order >= 64 || d[0].err != nil || d[1].err != nil || d[2].err != nil {
		return header{}, false
	}
	h.objectSize = 1 << order
	return h, true
}

// info gives what the header says of an image.
func (h header) info(id string) rbdio.Info {
	info := rbdio.Info{
		ID: id, Size: h.size, ObjectSize: h.objectSize,
		Created: h.created, Modified: h.modified, Accessed: h.accessed,
		Attr: parseAttr(h.ours), Allocated: rbdio.Unknown,
	}
	if info.Modified.IsZero() {
		info.Modified = h.created
	}
	if info.Accessed.IsZero() {
		info.Accessed = info.Modified
	}
	return info
}

// allocated counts an image's objects by its object map, where that can be
// relied on.
func (s *session) allocated(mapObject string, h header) int64 {
	if !h.mapped() {
		return h.allocated(nil, 0)
	}
	return h.allocated(readStep(s.io, mapObject, objectMapLoad, nil))
}

// objectMapLoad is the method that returns an object map.
const objectMapLoad = "object_map_load"

// mapped tells whether the image has an object map that says all of it, and can be
// relied on.
func (h header) mapped() bool {
	return h.size != 0 && h.features&featureObjectMap != 0 && h.flags&flagObjectMapInvalid == 0 && !h.parent &&
		!elsewhere(h.features)
}

// allocated counts an image's objects by the answer of objectMapLoad.
func (h header) allocated(objectMap []byte, errno syscall.Errno) int64 {
	if h.size == 0 {
		return 0
	}
	if !h.mapped() || errno != 0 {
		return rbdio.Unknown
	}
	m, err := decodeObjectMap(objectMap)
	if err != nil {
		return rbdio.Unknown
	}
	n, ok := m.allocated(h.size, h.objectSize, h.features&featureStriping != 0)
	if !ok {
		return rbdio.Unknown
	}
	return int64(n)
}

// parseAttr reads the attributes that rbdfs keeps. What cannot be understood is
// taken for not kept.
func parseAttr(ours map[string]string) rbdio.Attr {
	number := func(key string, base int, limit uint64) *uint32 {
		v, err := strconv.ParseUint(ours[key], base, 32)
		if err != nil || v > limit {
			return nil
		}
		n := uint32(v)
		return &n
	}
	attr := rbdio.Attr{
		Mode: number(keyMode, 8, 0o777),
		UID:  number(keyUID, 10, math.MaxUint32),
		GID:  number(keyGID, 10, math.MaxUint32),
	}
	if t, ok := parseTime(ours[keyChanged]); ok {
		attr.Changed = &t
	}
	return attr
}

// parseTime reads seconds.nanoseconds since 1970.
func parseTime(s string) (time.Time, bool) {
	secs, nanos, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(secs, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nsec, err := strconv.ParseInt(nanos, 10, 64)
	if err != nil || nsec < 0 || nsec > 999_999_999 || len(nanos) != 9 {
		return time.Time{}, false
	}
	return time.Unix(sec, nsec), true
}
