package memrbd

import (
	"maps"
	"slices"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

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
	switch {
	case img == nil:
		return "", rbdio.Errorf(syscall.ENOENT, "remove %q", name)
	case len(img.snaps) > 0:
		return "", &rbdio.Error{Op: "remove " + name, Errno: syscall.ENOTEMPTY, Why: "it has snapshots"}
	case img.watchers > 0:
		return "", &rbdio.Error{Op: "remove " + name, Errno: syscall.EBUSY, Why: "another client watches it"}
	}
	delete(p.names, name)
	p.trash[img.id] = &rbdio.TrashEntry{
		ID:      img.id,
		Name:    name,
		Removed: p.options.Now().Truncate(time.Second),
		Expires: expires,
		Ours:    ours,
	}
	return img.id, nil
}

// ListTrash returns the removed images, the oldest id first.
func (p *Pool) ListTrash() ([]rbdio.TrashEntry, error) {
	if err := p.begin("ListTrash"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	entries := make([]rbdio.TrashEntry, 0, len(p.trash))
	for _, id := range slices.Sorted(maps.Keys(p.trash)) {
		entries = append(entries, *p.trash[id])
	}
	return entries, nil
}

// Purge deletes a removed image, expired or not; EBUSY while anyone has it open.
func (p *Pool) Purge(id string) error {
	if err := p.begin("Purge"); err != nil {
		return err
	}
	defer p.mu.Unlock()
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
	return nil
}
