package snapshots

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UndoError says that an image could not be put back to what it was. The snapshot
// that has it is kept; the next apply begins with it.
type UndoError struct {
	Snapshot string
	Err      error // of putting it back
	Cause    error // why that was necessary
}

// Error gives both errors.
func (e *UndoError) Error() string {
	return fmt.Sprintf("%v; putting the image back to its snapshot %q failed: %v", e.Cause, e.Snapshot, e.Err)
}

// Unwrap gives both errors.
func (e *UndoError) Unwrap() []error { return []error{e.Err, e.Cause} }

// While a stream is applied, the image has a snapshot of what it was before, whose
// name says so. After a failure, or when apply finds it left by one that was
// killed, the image is put back to it. undoNow tells what the image is now, before
// anything is changed and before it is put back; one that is left is of no use.
const (
	undoNames  = "rbdfs-undo-"
	undoPrefix = undoNames + "before-"
	undoNow    = undoNames + "now"
)

// undoName is the name of the snapshot before a stream that leads to another one.
func undoName(to string) string {
	if len(undoPrefix)+len(to) > maxNameLength {
		sum := sha256.Sum256([]byte(to))
		to = hex.EncodeToString(sum[:16])
	}
	return undoPrefix + to
}

// putBack makes the image what it was in a snapshot, and removes that. It asks for
// what has changed, and so works also for what another process has done.
func putBack(t Target, undo string) error {
	if err := t.Sync(); err != nil {
		return err
	}
	if err := take(t, undoNow); err != nil {
		return err
	}
	was, err := t.OpenSnapshot(undo)
	if err != nil {
		return err
	}
	defer was.Close()
	now, err := t.OpenSnapshot(undoNow)
	if err != nil {
		return err
	}
	size := now.Size()
	if err := errors.Join(now.Close(), t.Truncate(was.Size())); err != nil {
		return err
	}
	ctx := context.Background() // a second signal does not leave it half done
	back := func(r StreamRange) error {
		r.Len = min(r.End(), max(r.Off, was.Size())) - r.Off
		return copyRange(ctx, t, was, r.Off, r)
	}
	err = eachChange(t, undoNow, undo, back)
	if err == nil && size < was.Size() {
		lost := StreamRange{}
		lost.Off, lost.Len = size, was.Size()-size
		err = back(lost)
	}
	if err == nil {
		err = t.Sync()
	}
	if err != nil {
		return err
	}
	return errors.Join(t.Unsnap(undoNow), t.Unsnap(undo))
}

// Recover puts an image back that an apply has left half done, when it was
// killed, and tells whether there was one.
func Recover(t Target) (recovered bool, err error) {
	names, err := t.Snapshots()
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, undoPrefix) })
	if slices.Contains(names, undoNow) {
		if err := t.Unsnap(undoNow); err != nil {
			return false, err
		}
	}
	if i < 0 {
		return false, nil
	}
	// The snapshot that it was to lead to is taken when all the rest is done.
	for _, newer := range names[i+1:] {
		if undoName(newer) == names[i] {
			return false, t.Unsnap(names[i])
		}
	}
	if err := putBack(t, names[i]); err != nil {
		return false, &UndoError{Snapshot: names[i], Err: err, Cause: errors.New("an apply was killed")}
	}
	return true, nil
}
