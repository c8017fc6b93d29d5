package librbd

import (
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"strings"
	"time"
)

// Cache says which writes are answered before they are on the OSDs.
type Cache string

// The modes of writing. Whatever the mode, a flush is a flush, nothing that was read
// is kept, and librbd's own cache is off.
const (
	WriteBack    Cache = "writeback"    // answered at once, by behind.c
	WriteThrough Cache = "writethrough" // waits for the OSDs, as none
	NoCache      Cache = "none"         // waits for the OSDs
)

// Sizes of an image's objects that RBD allows.
const (
	MinObjectSize = 4 << 10
	MaxObjectSize = 32 << 20
)

// Config says which pool to connect to, and how.
type Config struct {
	// Conf is the path of ceph.conf, "" for CEPH_CONF or Ceph's own search.
	Conf string
	// Cluster is the cluster's name, "" for "ceph".
	Cluster string
	// ID is the user, "admin" for client.admin; Name is its full name. At most
	// one is given.
	ID   string
	Name string
	// Keyring is the path of the keyring, "" for ceph.conf's or CEPH_KEYRING.
	Keyring string
	// MonHost lists the monitors' addresses, "" for ceph.conf's.
	MonHost string
	// Options are options of Ceph, "key=value". They come last, so win, but may not
	// break one of rules.
	Options []string

	Pool      string
	Namespace string // "" for the default one

	// Cache is the mode of writing, "" for WriteBack.
	Cache Cache
	// IOTimeout turns waiting for OSDs and monitors into ETIMEDOUT; 0 for never.
	IOTimeout time.Duration

	// ObjectSize, Features and DataPool are those of images to be created; zero
	// for the cluster's defaults. Features are the rbd command's names.
	ObjectSize uint64
	Features   []string
	DataPool   string

	// Exclusive keeps the exclusive lock while an image is open for writing.
	Exclusive bool
	// ReadOnly refuses all changes with EROFS.
	ReadOnly bool

	// Logger gets what librbd's answers do not say; nil for none.
	Logger *slog.Logger
}

// withDefaults fills in what is left out and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Cache == "" {
		c.Cache = WriteBack
	}
	switch c.Cache {
	case WriteBack, WriteThrough, NoCache:
	default:
		return c, badOption("cache %q is none of writeback, writethrough, none", c.Cache)
	}
	if c.ID != "" && c.Name != "" && "client."+c.ID != c.Name {
		return c, badOption("user %q and name %q contradict each other", c.ID, c.Name)
	}
	if s := c.ObjectSize; s != 0 && (s < MinObjectSize || s > MaxObjectSize || bits.OnesCount64(s) != 1) {
		return c, badOption("object size %d is not a power of two from 4 KiB to 32 MiB", s)
	}
	if _, err := featureBits(c.Features); err != nil {
		return c, badOption("%v", err)
	}
	for _, o := range c.Options {
		if key, _, ok := strings.Cut(o, "="); !ok || key == "" {
			return c, badOption("ceph option %q is not of the form key=value", o)
		}
	}
	return c, nil
}

// Step is where a start failed.
type Step string

// The steps of Connect that can fail for a reason a user can do something about.
const (
	BadOption         Step = "option"             // one of Config, or of the environment
	ConfMissing       Step = "conf missing"       // no ceph.conf
	ConfUnreadable    Step = "conf unreadable"    // no permission, or no sense in it
	KeyringMissing    Step = "keyring missing"    // none of the keyrings is there
	KeyringUnreadable Step = "keyring unreadable" // no sense in it
	KeyTypeUnknown    Step = "key type unknown"   // a key that this librados cannot use
	AuthRefused       Step = "auth refused"       // wrong user or key
	MonitorsSilent    Step = "monitors silent"    // no answer in time
	NoPool            Step = "no pool"            // the pool, or the data pool
	NoNamespace       Step = "no namespace"       // the pool has no such namespace
	NotInitialised    Step = "not initialised"    // rbd pool init was not run
	CapsTooSmall      Step = "caps too small"     // the user may not list the pool
	Failed            Step = "connection failed"  // anything else
)

// StartError is the answer of Connect: the step that failed, and why. Subject is
// what the step was about: a path, a user, an option or a pool.
type StartError struct {
	Step    Step
	Subject string
	Err     error
}

// Error gives the step, its subject and the reason.
func (e *StartError) Error() string {
	if e.Subject == "" {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Step, e.Subject, e.Err)
}

// Unwrap gives the reason, often a syscall.Errno.
func (e *StartError) Unwrap() error { return e.Err }

// badOption makes a StartError for BadOption.
func badOption(format string, args ...any) error {
	return &StartError{Step: BadOption, Err: fmt.Errorf(format, args...)}
}
