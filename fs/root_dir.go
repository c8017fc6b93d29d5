package fs

import (
	"context"
	"errors"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// rootDir is one opendir(3) of the root: names from one call, and attributes, to
// those who ask for them, from what is read ahead.
type rootDir struct {
	dirHandle
	root *rootNode
	walk *walk // along what dirHandle.list has, but for .snap and the like

	plus   bool            // attributes are asked for
	whole  bool            // and more than a few
	gaveUp context.Context // the request that was given up
}

// firstPage is how many entries the kernel gets with its first request, which asks
// for attributes with the names, whether anyone wants them or not (fs/fuse/readdir.c:
// fuse_use_readdirplus). With the next ones it knows.
const firstPage = firstAhead / 2

// OpendirHandle answers opendir(3).
func (r *rootNode) OpendirHandle(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	h := &rootDir{root: r}
	h.dirHandle.read = func(ctx context.Context) (list []fuse.DirEntry, errno syscall.Errno) {
		list, h.walk, errno = r.list(ctx)
		return list, errno
	}
	return h, 0, 0
}

// list returns the pool's images, in the order of their names.
func (r *rootNode) list(ctx context.Context) ([]fuse.DirEntry, *walk, syscall.Errno) {
	images := r.ahead.begin()
	var entries []rbdio.Entry
	errno := r.call(ctx, "", func() (err error) {
		entries, err = r.pool.List()
		return err
	})
	if errno != 0 {
		return nil, nil, errno
	}
	list := make([]fuse.DirEntry, 0, len(entries)+3)
	if r.conf.SnapDir == SnapDirVisible {
		list = append(list,
			fuse.DirEntry{Name: snapDirName, Ino: snapRootIno, Mode: syscall.S_IFDIR},
			fuse.DirEntry{Name: trashDirName, Ino: trashRootIno, Mode: syscall.S_IFDIR},
			fuse.DirEntry{Name: groupDirName, Ino: groupRootIno, Mode: syscall.S_IFDIR})
	}
	shown := entries[:0]
	for _, e := range entries {
		name, ok := fileName(e.Name)
		if !ok {
			r.ids.logHidden(r.log, e)
			continue
		}
		ino, err := r.ids.inode(e.ID, "")
		if err != nil {
			r.errno(err, name)
			continue
		}
		list = append(list, fuse.DirEntry{Name: name, Ino: ino, Mode: syscall.S_IFREG})
		shown = append(shown, e)
	}
	return list, r.ahead.listed(images, shown), 0
}

// Readdirent answers getdents(2). It ends the first request early.
func (h *rootDir) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.plus && !h.whole && h.pos >= firstPage {
		h.whole = true
		return nil, 0
	}
	return h.dirHandle.Readdirent(ctx)
}

// Lookup gives the kernel the attributes of the entry that it got last. A
// request that was given up is not held up by its other entries.
func (h *rootDir) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	h.plus = true
	i := h.pos - 1 - (len(h.list) - len(h.walk.entries))
	switch {
	case h.gaveUp == ctx:
		return nil, syscall.EINTR
	case i < 0 || h.list[h.pos-1].Name != name: // .snap and the like, or a page that is sent again
		return h.root.Lookup(ctx, name, out)
	}
	found, errno := h.root.listed(ctx, name, h.walk, i)
	if errno == syscall.EINTR {
		h.gaveUp = ctx
	}
	if errno != 0 {
		return nil, errno
	}
	return h.root.child(ctx, name, found, out)
}

// listed returns the i-th image of a handle's walk. It may block only where the
// answer is not there yet.
func (r *rootNode) listed(ctx context.Context, name string, w *walk, i int) (lookedUp, syscall.Errno) {
	f := r.ahead.ask(w, i, r.statMany)
	if f.ready() {
		if found, ok := r.ahead.answer(w, i, f); ok {
			return found, 0
		}
	}
	var found lookedUp
	errno := r.call(ctx, name, func() error {
		var ok bool
		if found, ok = r.ahead.answer(w, i, f); !ok {
			found = r.lookup(w.entries[i].Name)
		}
		return found.err
	})
	if errno != 0 {
		return lookedUp{}, errno // found may still be written to
	}
	return found, 0
}

// errOpen is the answer to a reading ahead of an image that is open: its file
// is to be asked, when the kernel wants to know.
var errOpen = errors.New("the image is open")

// statMany reads the attributes of those images that are not open.
func (m *mount) statMany(entries []rbdio.Entry) []rbdio.Answer {
	answers := make([]rbdio.Answer, len(entries))
	var closed []rbdio.Entry
	var which []int
	for i, e := range entries {
		if f := m.files.Get(e.ID); f != nil {
			m.files.Put(f)
			answers[i].Err = errOpen
			continue
		}
		closed, which = append(closed, e), append(which, i)
	}
	for k, a := range m.pool.StatMany(closed) {
		answers[which[k]] = a
	}
	return answers
}

// lookupAhead finds an image, by what was read ahead or by itself. A file that is
// open may have been written to since that began.
func (r *rootNode) lookupAhead(image string) lookedUp {
	found, ok := r.ahead.lookup(image, r.statMany)
	if !ok {
		found = r.lookup(image)
	}
	if f := r.files.Get(found.info.ID); f != nil {
		defer r.files.Put(f)
		found.at = time.Now()
		found.info, found.err = f.Stat()
	}
	return found
}

// forget drops what was known of names, since one was changed.
func (m *mount) forget() {
	m.ahead.forget()
	m.snaps.Forget()
	m.groups.Forget()
}
