package rbdio

import "time"

// infoAge is how long a header that was read is good for an open file; another
// host's change shows within a second with the kernel's own timeout.
const infoAge = 100 * time.Millisecond

// Stat returns what the image's header says, with the size and the time of the
// last write as this mount knows them.
func (f *File) Stat() (Info, error) {
	info, changes, err := f.header()
	if err != nil {
		return Info{}, err
	}
	if err := f.follow(info); err != nil {
		return Info{}, err
	}
	if f.addOwn(&info, changes) {
		return info, nil
	}
	return f.pool.Stat(f.id)
}

// addOwn puts what this mount knows into a header that was read after a number
// of changes by it. It returns false while the image is being opened or closed: then
// the header alone is right, read anew.
func (f *File) addOwn(info *Info, changes uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease == nil {
		return false
	}
	f.absorbLocked()
	info.Size = f.size
	outdated := changes != f.changes // the header may be from before the last one
	if f.mtimeNew || outdated && !f.mtime.IsZero() {
		info.Modified = f.mtime
	}
	unflushed := f.holes.unflushed.Total()
	switch {
	case info.Allocated == Unknown:
	case outdated, f.holes.zeroed: // the object map may not have heard of it yet
		info.Allocated = Unknown
	case info.Allocated == 0 && unflushed == 0 && f.writers > 0:
		info.Allocated = int64(min(info.Size, 1)) // a shared mapping may hold data that is still to come
	case unflushed > 0 && uint64(info.Allocated) < info.Size:
		// An upper bound, as what was written may have been allocated before. It
		// must say neither that the file has no holes nor that it has no data.
		info.Allocated = int64(max(min(uint64(info.Allocated)+unflushed, info.Size-1), 1))
	}
	return true
}

// header returns the image's header, read anew unless that was just done, and
// how many changes there had been before.
func (f *File) header() (info Info, changes uint64, err error) {
	f.mu.Lock()
	info, changes = f.info, f.infoChanges
	current := changes == f.changes && time.Since(f.infoAt) < infoAge
	now := f.changes
	f.mu.Unlock()
	if current {
		return info, changes, nil
	}
	info, err = f.pool.Stat(f.id)
	if err != nil {
		return Info{}, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info, f.infoAt, f.infoChanges = info, time.Now(), now
	return info, now, nil
}

// follow takes over a size that another client gave the image. An image open for
// writing hears of it by its watch; one open read-only does not, and is opened
// anew.
func (f *File) follow(info Info) error {
	f.mu.Lock()
	stale := f.lease != nil && f.lease.rw == nil && info.Size != f.size
	f.mu.Unlock()
	if !stale {
		return f.refreshSize()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitSwitchLocked()
	if f.lease == nil || f.lease.rw != nil || info.Size == f.size {
		return nil
	}
	f.holes.forget()
	return f.switchLocked(false)
}

// SetAttr keeps the attributes that attr names with the image.
func (f *File) SetAttr(attr Attr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitKeepLocked()
	err := f.keepLocked(attr)
	f.absorbLocked()
	if err == nil && attr.Modified != nil {
		f.mtime, f.mtimeNew = *attr.Modified, false
	}
	return err
}

// keepTime keeps the time of the last write with the image.
func (f *File) keepTime() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.awaitKeepLocked()
	f.absorbLocked()
	if !f.mtimeNew {
		return nil
	}
	mtime := f.mtime
	err := f.keepLocked(Attr{Modified: &mtime})
	if err == nil && mtime.Equal(f.mtime) {
		f.mtimeNew = false
	}
	return err
}

// keepLocked changes the header, without the lock, while nobody else does, so
// that an older time never replaces a newer one.
func (f *File) keepLocked(attr Attr) error {
	f.keeping = true
	f.mu.Unlock()
	err := f.pool.SetAttr(f.id, attr)
	f.mu.Lock()
	f.keeping = false
	f.changes++
	f.changed.Broadcast()
	return err
}

// awaitKeepLocked waits until nobody changes the header.
func (f *File) awaitKeepLocked() {
	for f.keeping {
		f.changed.Wait()
	}
}
