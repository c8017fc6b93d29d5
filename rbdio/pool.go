package rbdio

import "time"

// Directory is the list of a pool's images: names, and the ids that they stand
// for. Names are RBD's own, unescaped. Calls may overlap.
type Directory interface {
	// List returns every image, in the order of their names.
	List() ([]Entry, error)
	// Lookup returns the id of the image called name; ENOENT.
	Lookup(name string) (id string, err error)
	// Create makes an empty image and returns its id; EEXIST, EINVAL, EPERM.
	Create(name string) (id string, err error)
	// Rename changes an image's name, and never replaces another; ENOENT, EEXIST.
	Rename(name, newName string) error
	// Changed returns when something was last put into one of the pool's lists, taken
	// out of it or renamed, by whomever; the zero time where that is not known.
	Changed(list List) (time.Time, error)
}

// List is one of the lists that a pool has.
type List int

// The values of List.
const (
	ListImages List = iota // by Directory
	ListTrash              // by Trash
)

// Headers reads and writes what a pool keeps about an image, without opening
// the image. Calls may overlap.
type Headers interface {
	// Stat reads an image's header; ENOENT.
	Stat(id string) (Info, error)
	// StatMany reads the headers of several images at once, and returns an answer
	// for each. Of an entry with a name it is checked that the image has it still:
	// ENOENT.
	StatMany(entries []Entry) []Answer
	// SetAttr keeps the attributes that attr names; ENOENT, EPERM.
	SetAttr(id string, attr Attr) error
	// Describe tells what an administrator asks of an image. It may open the
	// image for reading.
	Describe(id string) (Details, error)
	// MetadataKeys returns the keys of Metadata, without opening the image; ENOENT.
	MetadataKeys(id string) ([]string, error)
	// Metadata returns the image's metadata, as rbd image-meta lists it.
	Metadata(id string) (map[string]string, error)
	// SetMetadata sets one metadata key.
	SetMetadata(id, key, value string) error
	// RemoveMetadata removes one metadata key; ENOENT when it is not set.
	RemoveMetadata(id, key string) error
}

// Trash removes images in two steps, as the rbd command's trash does, so that
// an interrupted removal loses nothing. Calls may overlap.
type Trash interface {
	// Remove moves the image called name to the trash, marked as removed by
	// rbdfs, where it is safe from rbd trash purge until expires. It is refused,
	// and nothing changes, with ENOTEMPTY when the image has snapshots and with
	// EBUSY when another client watches it.
	Remove(name string, expires time.Time) (id string, err error)
	// ListTrash returns the images that users removed, by any tool.
	ListTrash() ([]TrashEntry, error)
	// Claim tells whether a removed image is to be purged by rbdfs; ENOENT when
	// this removal of it is not in the trash any more.
	Claim(e TrashEntry) (Claim, error)
	// Expire has a removed image purged before its time, whoever removed it: its
	// Claim is ClaimNow from then on. It is refused, and nothing changes, with
	// ENOTEMPTY and EBUSY as Remove is; ENOENT as Claim, EPERM.
	Expire(e TrashEntry) error
	// Purge deletes a removed image's data, and tells how far it is; ENOENT, EBUSY
	// while it is open, ErrStopped. What was deleted before an error is gone, and the
	// next Purge goes on.
	Purge(id string, p *Progress) error
	// Restore brings a removed image back under name; ENOENT, EEXIST, and EBUSY
	// when its purge has begun.
	Restore(id, name string) error
}

// Opener opens images by id, so that a rename in between does not matter.
// Calls may overlap.
type Opener interface {
	// OpenReadOnly opens an image for reading. It leaves no watcher.
	OpenReadOnly(id string) (ReadImage, error)
	// Open opens an image for reading and writing. The image has a watcher until
	// it is closed. EROFS for a mirror's non-primary image, EACCES where cephx
	// allows no writing, EBUSY when another client keeps the exclusive lock.
	Open(id string) (Image, error)
}

// Pool is one RBD pool, or one namespace in it.
type Pool interface {
	Directory
	Headers
	Trash
	Opener
	Snapshots
	Groups
	// Key names the pool for inode numbers: the cluster's id, the pool's id and
	// the namespace. It is the same on every host.
	Key() string
	// Usage returns what the pool stores and has room for, in bytes.
	Usage() (Usage, error)
	// Close ends the connection. Open images must be closed before.
	Close() error
}

// Entry is one image in a pool's directory.
type Entry struct {
	Name string
	ID   string
}

// Answer is what a pool says of one of several images.
type Answer struct {
	Info Info
	Err  error
}

// TrashEntry is one removed image.
type TrashEntry struct {
	ID      string
	Name    string    // the name that it had
	Removed time.Time // to the second
	Expires time.Time // until then a purge leaves it alone
}

// Claim says when rbdfs purges a removed image.
type Claim int

// The values of Claim.
const (
	ClaimNone Claim = iota // never: another tool removed it
	ClaimOurs              // when its time has come: rbdfs removed it, or another purge was cut off
	ClaimNow               // at once: a user has asked for it
)

// Usage is a pool's capacity, in bytes.
type Usage struct {
	Stored    uint64 // bytes of data in the pool, before replication
	Available uint64 // bytes that still fit
	Quota     uint64 // the pool's quota, 0 for none
	Images    uint64 // objects, for statfs's f_files
}

// Unknown is the value of a number that is not known without more work.
const Unknown = -1

// Info is what an image's header says.
type Info struct {
	ID         string
	Size       uint64 // bytes
	ObjectSize uint64 // bytes
	Created    time.Time
	Modified   time.Time
	Accessed   time.Time
	Attr       Attr
	// Allocated is the number of bytes in the image's objects, by its object
	// map, rounded up to whole objects and at most Size; Unknown for an image
	// without a valid object map, or with a parent.
	Allocated int64
}

// Attr holds the POSIX attributes that rbdfs keeps with an image, so that every
// host sees them; nil for one that is not kept, or not to be changed. Modified
// and Accessed are the image's own timestamps, which SetAttr may set; Stat
// returns them in Info instead.
type Attr struct {
	Mode     *uint32 // permission bits, 0 to 0777
	UID      *uint32
	GID      *uint32
	Changed  *time.Time // the last change of an attribute, for st_ctime
	Modified *time.Time
	Accessed *time.Time
}

// Details is what an administrator asks of an image.
type Details struct {
	Features        []string // as the rbd command names them
	ObjectSize      uint64   // bytes
	StripeUnit      uint64   // bytes
	StripeCount     uint64
	DataPool        string // "" for the image's own pool
	BlockNamePrefix string
	Parent          string   // POOL[/NAMESPACE]/IMAGE@SNAP, "" for none
	Flags           []string // "object map invalid", "fast diff invalid"
	Watchers        []string // addresses
}
