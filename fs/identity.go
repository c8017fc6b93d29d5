package fs

import (
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"strings"
	"sync"
	"syscall"

	"rbdfs/rbdio"
)

// rootIno is the root's inode number, and firstIno the first that a file can
// have: those below are kept for directories.
const (
	rootIno  = 1
	firstIno = 1 << 16
)

// identities gives files their inode numbers: a function of the pool, the image
// id and the snapshot id alone, the same on every host and after a remount. It
// remembers the numbers that it gave, so that two files never share one.
type identities struct {
	key string // rbdio.Pool.Key

	mu     sync.Mutex // guards the maps
	byIno  map[uint64]string
	names  map[string]calledName // by image id
	hidden map[string]bool       // what is left out, by id: said once
}

// calledName is the last known file name of an image, for the log, and whether the
// image has lost it since.
type calledName struct {
	name string
	lost bool
}

// inode returns the inode number of an image, or of one of its snapshots. Should
// two files ever hash alike, the second cannot be used through this mount: EIO.
func (t *identities) inode(imageID, snapID string) (uint64, error) {
	key := imageID + "@" + snapID
	ino := hashInode(t.key + "\x00" + key)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byIno == nil {
		t.byIno = make(map[uint64]string)
	}
	if other, ok := t.byIno[ino]; ok && other != key {
		return 0, rbdio.Errorf(syscall.EIO, "number the inode of image %s: image %s has the same hash", imageID, other)
	}
	t.byIno[ino] = key
	return ino, nil
}

// hashInode maps a key to an inode number of at least firstIno.
func hashInode(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	ino := binary.LittleEndian.Uint64(sum[:]) >> 1 // positive for programs that sign it
	if ino < firstIno {
		ino += firstIno
	}
	return ino
}

// called remembers an image's file name.
func (t *identities) called(imageID, name string) { t.set(imageID, calledName{name: name}) }

// calledInTrash remembers a removed image's file name.
func (t *identities) calledInTrash(imageID, name string) {
	t.set(imageID, calledName{name: trashDirName + "/" + name, lost: true})
}

func (t *identities) set(imageID string, name calledName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = make(map[string]calledName)
	}
	t.names[imageID] = name
}

// unlinked remembers that an image has no file name any more.
func (t *identities) unlinked(imageID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.names[imageID]; ok {
		t.names[imageID] = calledName{name: known.name, lost: true}
	}
}

// hasName tells whether an image has the file name that it was last known by.
func (t *identities) hasName(imageID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.names[imageID].lost
}

// hint remembers a name for an image that has none yet: that of a member of a
// group snapshot, which is not its file's name in the root.
func (t *identities) hint(imageKey, name string) {
	t.mu.Lock()
	_, known := t.names[imageKey]
	t.mu.Unlock()
	if !known {
		t.called(imageKey, name)
	}
}

// name returns an image's last known file name, or its id.
func (t *identities) name(imageID string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.names[imageID]; ok {
		return known.name
	}
	return "image " + imageID
}

// file returns the last known name of the image that a file's inode number is made
// from, or "".
func (t *identities) file(ino uint64) string {
	t.mu.Lock()
	key, ok := t.byIno[ino]
	t.mu.Unlock()
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(key, "@")
	return t.name(id)
}

// logHidden says once of an image that its name is too long for a file.
func (t *identities) logHidden(log *slog.Logger, e rbdio.Entry) {
	if t.firstHidden(e.ID) {
		log.Warn("an image is left out: its name is too long for a file; rename it with the rbd command", "image", e.Name, "id", e.ID)
	}
}

// firstHidden tells whether something has not been left out before.
func (t *identities) firstHidden(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hidden == nil {
		t.hidden = make(map[string]bool)
	}
	known := t.hidden[id]
	t.hidden[id] = true
	return !known
}
