package memrbd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// List returns every image that is not in the trash.
func (p *Pool) List() ([]rbdio.Entry, error) {
	if err := p.begin("List"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	entries := make([]rbdio.Entry, 0, len(p.names))
	for _, name := range slices.Sorted(maps.Keys(p.names)) {
		entries = append(entries, rbdio.Entry{Name: name, ID: p.names[name].id})
	}
	return entries, nil
}

// Lookup returns an image's id.
func (p *Pool) Lookup(name string) (id string, err error) {
	if err := p.begin("Lookup"); err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	if img := p.names[name]; img != nil {
		return img.id, nil
	}
	return "", rbdio.Errorf(syscall.ENOENT, "look up %q", name)
}

// Create makes an empty image.
func (p *Pool) Create(name string) (id string, err error) {
	if err := p.begin("Create"); err != nil {
		return "", err
	}
	defer p.mu.Unlock()
	return p.createLocked(name)
}

func (p *Pool) createLocked(name string) (id string, err error) {
	if err := p.freeNameLocked("create", name); err != nil {
		return "", err
	}
	p.lastID++
	now := p.options.Now()
	img := &image{
		id:       fmt.Sprintf("%012x", p.lastID),
		name:     name,
		durable:  newObjects(p.options.ObjectSize),
		created:  now,
		modified: now,
		accessed: now,
		metadata: map[string]string{},
	}
	p.names[name], p.images[img.id] = img, img
	p.changeLocked(rbdio.ListImages)
	return img.id, nil
}

// freeNameLocked returns an error unless an image can be given the name.
func (p *Pool) freeNameLocked(op, name string) error {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return rbdio.Errorf(syscall.EINVAL, "%s %q", op, name)
	}
	if p.names[name] != nil {
		return rbdio.Errorf(syscall.EEXIST, "%s %q", op, name)
	}
	return nil
}

// Rename changes an image's name; EEXIST also when the names are the same.
func (p *Pool) Rename(name, newName string) error {
	if err := p.begin("Rename"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	return p.renameLocked(name, newName)
}

func (p *Pool) renameLocked(name, newName string) error {
	img := p.names[name]
	if img == nil {
		return rbdio.Errorf(syscall.ENOENT, "rename %q", name)
	}
	if err := p.freeNameLocked(fmt.Sprintf("rename %q to", name), newName); err != nil {
		return err
	}
	delete(p.names, name)
	img.name, p.names[newName] = newName, img
	p.changeLocked(rbdio.ListImages)
	return nil
}

// Changed returns when a list was last changed.
func (p *Pool) Changed(list rbdio.List) (time.Time, error) {
	if err := p.begin("Changed"); err != nil {
		return time.Time{}, err
	}
	defer p.mu.Unlock()
	return p.changed[list], nil
}

// changeLocked notes that lists are changed now.
func (p *Pool) changeLocked(lists ...rbdio.List) {
	for _, list := range lists {
		p.changed[list] = p.options.Now()
	}
}
