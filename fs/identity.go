package fs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"sync"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// rootIno is the root's inode number, and firstIno the first that a file can
// have: those below are kept for directories.
const (
	rootIno  = 1
	firstIno = 1 << 16
)

// identities gives files their inode numbers: a function of the pool, the image
// id and the snapshot id alone, the same on every host and after a remount. Of what
// the kernel knows it remembers the numbers, so that two files never share one, and
// what the images are called, for the log. It forgets what the kernel forgets: it
// counts each answer that gives the kernel a node, as the kernel does.
type identities struct {
	key string // rbdio.Pool.Key

	mu     sync.Mutex // guards the maps, and what they point to
	nodes  map[uint64]*identity
	images map[string]*knownImage // by image id
	hidden map[string]bool        // what is left out, by id: said once
}

// identity is what an inode number stands for.
type identity struct {
	image, snap string
	lookups     uint64 // that the kernel has not forgotten
}

// knownImage is an image that nodes are made from.
type knownImage struct {
	nodes int
	name  string // its last known file name, for the log; "" for none
	lost  bool   // it has no name in the root any more
}

// mostHidden bounds the ids that are remembered for having been left out.
const mostHidden = 1024

// inode returns the inode number of an image, or of one of its snapshots. Should
// two files ever hash alike, the second cannot be used through this mount: EIO.
func (t *identities) inode(imageID, snapID string) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inodeLocked(imageID, snapID)
}

func (t *identities) inodeLocked(imageID, snapID string) (uint64, error) {
	ino := hashInode(t.key + "\x00" + imageID + "@" + snapID)
	if other := t.nodes[ino]; other != nil && (other.image != imageID || other.snap != snapID) {
		return 0, rbdio.Errorf(syscall.EIO, "number the inode of image %s: image %s@%s has the same hash", imageID, other.image, other.snap)
	}
	return ino, nil
}

// hold returns the inode number for an answer that gives the kernel this node; EIO as
// inode. Each is ended by the kernel's FORGET, or by one forget.
func (t *identities) hold(imageID, snapID string) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ino, err := t.inodeLocked(imageID, snapID)
	if err != nil {
		return 0, err
	}
	node := t.nodes[ino]
	if node == nil {
		if t.nodes == nil {
			t.nodes, t.images = make(map[uint64]*identity), make(map[string]*knownImage)
		}
		node = &identity{image: imageID, snap: snapID}
		t.nodes[ino] = node
		if t.images[imageID] == nil {
			t.images[imageID] = &knownImage{}
		}
		t.images[imageID].nodes++
	}
	node.lookups++
	return ino, nil
}

// forget ends some of the holds of a node.
func (t *identities) forget(ino, lookups uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	node := t.nodes[ino]
	if node == nil {
		return // the root, .snap and the like
	}
	if node.lookups > lookups {
		node.lookups -= lookups
		return
	}
	delete(t.nodes, ino)
	image := t.images[node.image]
	if image.nodes--; image.nodes == 0 {
		delete(t.images, node.image)
	}
}

// size is how many nodes and images are remembered.
func (t *identities) size() (nodes, images int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.nodes), len(t.images)
}

// forgets tells identities what the kernel forgets.
type forgets struct {
	fuse.RawFileSystem
	ids *identities
}

// Forget answers the kernel's FORGET.
func (f *forgets) Forget(node, lookups uint64) {
	f.RawFileSystem.Forget(node, lookups)
	f.ids.forget(node, lookups)
}

// newNode returns the inode of a node that the answer to a request gives the kernel;
// EIO as inode.
func (m *mount) newNode(ctx context.Context, dir *fusefs.Inode, node fusefs.InodeEmbedder, mode uint32, imageID, snapID string) (*fusefs.Inode, syscall.Errno) {
	ino, err := m.ids.hold(imageID, snapID)
	if err != nil {
		return nil, m.errno(err, m.ids.name(imageID))
	}
	return dir.NewInode(ctx, node, fusefs.StableAttr{Mode: mode, Ino: ino}), 0
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

// called remembers the file name of an image that the kernel knows.
func (t *identities) called(imageID, name string) { t.set(imageID, name, false) }

// calledInTrash remembers a removed image's file name.
func (t *identities) calledInTrash(imageID, name string) {
	t.set(imageID, trashDirName+"/"+name, true)
}

func (t *identities) set(imageID, name string, lost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if image := t.images[imageID]; image != nil {
		image.name, image.lost = name, lost
	}
}

// unlinked remembers that an image has no file name any more.
func (t *identities) unlinked(imageID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if image := t.images[imageID]; image != nil {
		image.lost = true
	}
}

// hasName tells whether an image has a file name in the root, as far as is known.
func (t *identities) hasName(imageID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	image := t.images[imageID]
	return image == nil || !image.lost
}

// hint remembers a name for an image that has none yet: that of a member of a
// group snapshot, which is not its file's name in the root.
func (t *identities) hint(imageKey, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if image := t.images[imageKey]; image != nil && image.name == "" {
		image.name = name
	}
}

// name returns the last known file name of an image that the kernel knows, or else
// its id. It is for the log alone: a path or an answer is never made of it.
func (t *identities) name(imageID string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if image := t.images[imageID]; image != nil && image.name != "" {
		return image.name
	}
	return "image " + imageID
}

// file returns the last known name of the image that a file's inode number is made
// from, or "".
func (t *identities) file(ino uint64) string {
	t.mu.Lock()
	node := t.nodes[ino]
	t.mu.Unlock()
	if node == nil {
		return ""
	}
	return t.name(node.image)
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
	if t.hidden[id] {
		return false
	}
	if t.hidden == nil || len(t.hidden) >= mostHidden {
		t.hidden = make(map[string]bool)
	}
	t.hidden[id] = true
	return true
}
