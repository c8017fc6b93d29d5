package memrbd

import (
	"errors"
	"maps"
	"slices"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// trashed is a removed image.
type trashed struct {
	rbdio.TrashEntry
	claim rbdio.Claim
}

// Remove moves an image to the trash. This client's own open images go on.
func (p *Pool) Remove(name string, expires time.Time) (id string, err error) {
	if err := p.begin("Remove"); err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	return p.removeLocked(name, expires, true)
}

func (p *Pool) removeLocked(name string, expires time.Time, ours bool) (id string, err error) {
	img := p.names[name]
	if img == nil {
		return "", rbdio.Errorf(syscall.ENOENT, "remove %q", name)
	}
	err = img.removableLocked(name)
	if err != nil && (ours || !errors.Is(err, syscall.ENOTEMPTY)) { // rbd trash mv takes an image with snapshots
		return "", err
	}
	delete(p.names, name)
	t := &trashed{TrashEntry: rbdio.TrashEntry{
		ID:      img.id,
		Name:    name,
		Removed: p.options.Now().Truncate(time.Second),
		Expires: expires,
	}}
	if ours {
		t.claim = rbdio.ClaimOurs
	}
	p.trash[img.id] = t
	p.changeLocked(rbdio.ListImages, rbdio.ListTrash)
	return img.id, nil
}

// removableLocked returns an error for an image that has snapshots or is open
// elsewhere.
func (i *image) removableLocked(name string) error {
	switch {
	case len(i.snaps)+len(i.groupSnaps) > 0:
		return &rbdio.Error{Op: "remove " + name, Errno: syscall.ENOTEMPTY, Why: "it has snapshots"}
	case i.watchers > 0:
		return &rbdio.Error{Op: "remove " + name, Errno: syscall.EBUSY, Why: "another client watches it"}
	}
	return nil
}

// ListTrash returns the removed images, the oldest id first.
func (p *Pool) ListTrash() ([]rbdio.TrashEntry, error) {
	if err := p.begin("ListTrash"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	entries := make([]rbdio.TrashEntry, 0, len(p.trash))
	for _, id := range slices.Sorted(maps.Keys(p.trash)) {
		entries = append(entries, p.trash[id].TrashEntry)
	}
	return entries, nil
}

// trashedLocked returns a removed image; ENOENT for another removal of it.
func (p *Pool) trashedLocked(op string, e rbdio.TrashEntry) (*trashed, error) {
	if t := p.trash[e.ID]; t != nil && t.Removed.Equal(e.Removed) {
		return t, nil
	}
	return nil, rbdio.Errorf(syscall.ENOENT, "%s image %s", op, e.ID)
}

// Claim tells who removed an image, and whether Expire was called since.
func (p *Pool) Claim(e rbdio.TrashEntry) (rbdio.Claim, error) {
	if err := p.begin("Claim"); err != nil {
		return rbdio.ClaimNone, err
	}
	defer p.mu.Unlock()
	t, err := p.trashedLocked("claim", e)
	if err != nil {
		return rbdio.ClaimNone, err
	}
	return t.claim, nil
}

// Expire has a removed image purged now. This client's own open images are no
// hindrance.
func (p *Pool) Expire(e rbdio.TrashEntry) error {
	if err := p.begin("Expire"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	t, err := p.trashedLocked("expire", e)
	if err != nil {
		return err
	}
	if err := p.images[e.ID].removableLocked(e.Name); err != nil {
		return err
	}
	t.claim = rbdio.ClaimNow
	return nil
}

// Purge deletes a removed image, expired or not; EBUSY while anyone has it open. It
// looks at progress.Stop once, after a Block.
func (p *Pool) Purge(id string, progress *rbdio.Progress) error {
	if err := p.begin("Purge"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	if progress.Stop.Load() != 0 {
		return rbdio.ErrStopped
	}
	if p.trash[id] == nil {
		return rbdio.Errorf(syscall.ENOENT, "purge image %s", id)
	}
	img := p.images[id]
	for range p.openLocked(img) {
		return rbdio.Errorf(syscall.EBUSY, "purge image %s", id)
	}
	if img.watchers > 0 {
		return rbdio.Errorf(syscall.EBUSY, "purge image %s", id)
	}
	delete(p.trash, id)
	p.changeLocked(rbdio.ListTrash)
	p.deleteLocked(img)
	return nil
}

// Restore brings a removed image back.
func (p *Pool) Restore(id, name string) error {
	if err := p.begin("Restore"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	if p.trash[id] == nil {
		return rbdio.Errorf(syscall.ENOENT, "restore image %s", id)
	}
	if err := p.freeNameLocked("restore image "+id+" as", name); err != nil {
		return err
	}
	delete(p.trash, id)
	img := p.images[id]
	img.name, p.names[name] = name, img
	p.changeLocked(rbdio.ListImages, rbdio.ListTrash)
	return nil
}
