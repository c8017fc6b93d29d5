package rbdio

import (
	"maps"
	"slices"
	"time"
)

// removedAge is how long a list of the trash is believed: ls -l, which asks for
// each entry, shall ask the cluster once, and others' changes shall show within
// a second.
const removedAge = 400 * time.Millisecond

// Removed returns the images in the trash, but for those that are being purged:
// as they are now, or with cached as they were removedAge ago at most. A change
// through this mount shows at once.
func (t *Files) Removed(cached bool) ([]TrashEntry, error) {
	t.mu.Lock()
	list, at, changes := t.removed, t.removedAt, t.removedChanges
	left := maps.Clone(t.leaving) // it may be gone when the list is there, and be in it
	t.mu.Unlock()
	if !cached || time.Since(at) >= removedAge {
		var err error
		at = time.Now()
		if list, err = t.pool.ListTrash(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if changes == t.removedChanges {
		t.removed, t.removedAt = list, at
	}
	return slices.DeleteFunc(slices.Clone(list), func(e TrashEntry) bool { return among(left, e) || among(t.leaving, e) }), nil
}

// among tells whether a removal is one of some, by image id.
func among(some map[string]TrashEntry, e TrashEntry) bool {
	same, ok := some[e.ID]
	return ok && same.Removed.Equal(e.Removed)
}

// isLeaving tells whether a user of this mount had a removed image purged.
func (t *Files) isLeaving(e TrashEntry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return among(t.leaving, e)
}

// forgetRemoved drops what was known of the trash before a change.
func (t *Files) forgetRemoved() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetRemovedLocked()
}

func (t *Files) forgetRemovedLocked() {
	t.removed, t.removedAt = nil, time.Time{}
	t.removedChanges++
}

// Restore brings a removed image back under name; ENOENT, EEXIST, and EBUSY when
// its purge has begun. Whoever still has it open goes on, and its last close purges
// nothing.
func (t *Files) Restore(id, name string) error {
	err := t.pool.Restore(id, name)
	t.forgetRemoved()
	if err != nil {
		return err
	}
	t.purger.expire(id, false)
	t.mu.Lock()
	f := t.open[id]
	if f != nil {
		f.removed = false
		f.refs++
	}
	t.mu.Unlock()
	if f != nil {
		defer t.Put(f)
		f.unhold()
	}
	return nil
}

// Purge has a removed image purged, whoever removed it and before its time; in
// the background, since that can take minutes. It leaves Removed at once, and a
// mount that is cut off leaves the rest to the next one. ENOTEMPTY and EBUSY as
// Remove; whoever has it open here goes on until the last close.
func (t *Files) Purge(e TrashEntry) error {
	if err := t.pool.Expire(e); err != nil {
		return err
	}
	t.mu.Lock()
	t.leaving[e.ID] = e
	t.mu.Unlock()
	t.StopFlatten(e.ID)
	t.purgeUnlessOpen(e.ID)
	return nil
}

// beginPurge keeps an image from being opened until endPurge, and is false when
// it is open.
func (t *Files) beginPurge(e TrashEntry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[e.ID] != nil {
		return false
	}
	t.purging = e.ID
	t.leaving[e.ID] = e
	return true
}

// endPurge ends a purge. An image that could not be purged shows again.
func (t *Files) endPurge(e TrashEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.leaving, e.ID)
	t.purging = ""
	t.forgetRemovedLocked()
}
