package snapshots

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// Target is an image that streams are applied to. Its methods do not overlap.
type Target interface {
	// Truncate sets the size.
	Truncate(size uint64) error
	// WriteAt writes all of p at fileOff, inside the size.
	WriteAt(p []byte, fileOff uint64) error
	// Zero makes a range read as zeros.
	Zero(fileOff, length uint64) error
	// Sync returns when what was written is safe.
	Sync() error
	// Snapshots returns the names of the image's snapshots, the oldest first.
	Snapshots() ([]string, error)
	// Snap takes a snapshot of what was written; Unsnap removes one.
	Snap(name string) error
	Unsnap(name string) error
	// OpenSnapshot opens the image as it was.
	OpenSnapshot(name string) (Source, error)
	// OpenDiff opens the stream from an older snapshot, or with "" from nothing.
	OpenDiff(name, older string) (Source, error)
}

// Source is a file that is read.
type Source interface {
	io.ReaderAt
	io.Closer
	Size() uint64
}

// What keeps a stream from being applied, before anything was changed.
var (
	ErrWrongStart = errors.New("the image does not stand where the stream starts")
	ErrHasEnd     = errors.New("the image has the snapshot that the stream leads to")
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
// killed, the image is put back to it; undoNow is then there for a moment, to tell
// what has changed.
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

// applyStep is how much of an image is read and written at once, in bytes.
const applyStep = 4 << 20

// Apply applies one stream to an image: all of it, with the snapshot that it leads
// to, or nothing. progress is told how far it is, in bytes of the stream. Ending
// ctx ends it, and puts the image back. *StreamError, ErrWrongStart, ErrHasEnd,
// *UndoError, or an error of the stream or the target, after which the image is as
// it was.
func Apply(ctx context.Context, t Target, stream io.ReaderAt, length uint64, progress func(done uint64)) error {
	d, err := CheckStream(ctx, stream, length)
	if err != nil {
		return err
	}
	if err := admit(t, d); err != nil {
		return err
	}
	undo := undoName(d.To)
	if err := take(t, undo); err != nil {
		return fmt.Errorf("take snapshot %q of the image as it is: %w", undo, err)
	}
	if err := standsAt(ctx, t, undo, d.From); err != nil {
		return errors.Join(err, t.Unsnap(undo))
	}
	err = write(ctx, t, d, progress)
	if err == nil {
		err = take(t, d.To)
	}
	if err != nil {
		if undoErr := putBack(t, undo); undoErr != nil {
			return &UndoError{Snapshot: undo, Err: undoErr, Cause: err}
		}
		return err
	}
	if err := t.Unsnap(undo); err != nil {
		return fmt.Errorf("the stream is applied; removing snapshot %q failed: %w", undo, err)
	}
	return nil
}

// take takes a snapshot that there was not. An error of the connection may come
// after it was taken.
func take(t Target, name string) error {
	err := t.Snap(name)
	if err == nil || errors.Is(err, syscall.EEXIST) {
		return err
	}
	if names, listErr := t.Snapshots(); listErr == nil && slices.Contains(names, name) {
		return nil
	}
	return err
}

// CheckStream reads all of a stream but its data, and returns a decoder of it;
// *StreamError.
func CheckStream(ctx context.Context, stream io.ReaderAt, length uint64) (*StreamDecoder, error) {
	d, err := NewStreamDecoder(stream, length)
	for err == nil {
		if _, err = d.Next(); err == nil {
			err = context.Cause(ctx)
		}
	}
	if err != io.EOF {
		return nil, err
	}
	return NewStreamDecoder(stream, length)
}

// admit checks the snapshots that a stream names; ErrWrongStart, ErrHasEnd.
func admit(t Target, d *StreamDecoder) error {
	if strings.HasPrefix(d.To, undoNames) {
		return &StreamError{Why: "it leads to a snapshot with a name that apply keeps for itself"}
	}
	if strings.ContainsAny(d.To, "@/\x00") {
		return &StreamError{Why: "it leads to a snapshot with a name that the rbd command could not address"}
	}
	names, err := t.Snapshots()
	if err != nil {
		return err
	}
	if slices.Contains(names, d.To) {
		return fmt.Errorf("%w: %q", ErrHasEnd, d.To)
	}
	switch {
	case d.From == "":
		return nil
	case !slices.Contains(names, d.From):
		return fmt.Errorf("%w: it has no snapshot %q", ErrWrongStart, d.From)
	case names[len(names)-1] != d.From:
		return fmt.Errorf("%w: its newest snapshot is %q, and not %q", ErrWrongStart, names[len(names)-1], d.From)
	}
	return nil
}

// standsAt checks that one snapshot holds what an older one does, or with "" that
// it holds nothing; ErrWrongStart.
func standsAt(ctx context.Context, t Target, name, older string) error {
	now, err := t.OpenSnapshot(name)
	if err != nil {
		return err
	}
	defer now.Close()
	before := Source(nothing{})
	if older != "" {
		if before, err = t.OpenSnapshot(older); err != nil {
			return err
		}
		defer before.Close()
		if now.Size() != before.Size() {
			return fmt.Errorf("%w: it has %d bytes, and snapshot %q has %d", ErrWrongStart, now.Size(), older, before.Size())
		}
	}
	return eachChange(t, name, older, func(r StreamRange) error {
		same, err := equal(ctx, now, before, r)
		if err == nil && !same && older == "" {
			err = fmt.Errorf("%w: a full stream needs an image that holds nothing, and it holds something at byte %d or behind it", ErrWrongStart, r.Off)
		} else if err == nil && !same {
			err = fmt.Errorf("%w: it was changed since snapshot %q, at byte %d or behind it", ErrWrongStart, older, r.Off)
		}
		return err
	})
}

// eachChange calls do for each range that may differ between two snapshots.
func eachChange(t Target, name, older string, do func(StreamRange) error) error {
	diff, err := t.OpenDiff(name, older)
	if err != nil {
		return err
	}
	defer diff.Close()
	d, err := NewStreamDecoder(diff, diff.Size())
	for err == nil {
		var r StreamRange
		if r, err = d.Next(); err == nil {
			err = do(r)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// nothing is an image of zeros.
type nothing struct{}

func (nothing) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
func (nothing) Size() uint64                          { return 0 }
func (nothing) Close() error                          { return nil }

// equal compares a range of two images.
func equal(ctx context.Context, a, b io.ReaderAt, r StreamRange) (bool, error) {
	x, y := make([]byte, min(r.Len, applyStep)), make([]byte, min(r.Len, applyStep))
	for r.Len > 0 {
		n := min(r.Len, applyStep)
		err := errors.Join(context.Cause(ctx), readFull(a, x[:n], r.Off), readFull(b, y[:n], r.Off))
		if err != nil || string(x[:n]) != string(y[:n]) {
			return false, err
		}
		r.Off, r.Len = r.Off+n, r.Len-n
	}
	return true, nil
}

// readFull reads all of p.
func readFull(r io.ReaderAt, p []byte, off uint64) error {
	if n, err := r.ReadAt(p, int64(off)); n < len(p) {
		return fmt.Errorf("read %d bytes at %d: %w", len(p), off, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// write makes the changes of a stream.
func write(ctx context.Context, t Target, d *StreamDecoder, progress func(uint64)) error {
	if err := t.Truncate(d.Size); err != nil {
		return fmt.Errorf("set the size to %d bytes: %w", d.Size, err)
	}
	for {
		r, err := d.Next()
		if err == io.EOF {
			progress(d.Position())
			return errors.Join(context.Cause(ctx), t.Sync())
		}
		if err == nil {
			err = writeRange(ctx, t, d.r, r)
		}
		if err != nil {
			return err
		}
		progress(d.Position())
	}
}

// writeRange makes one change.
func writeRange(ctx context.Context, t Target, stream io.ReaderAt, r StreamRange) error {
	if r.Zero {
		return errors.Join(context.Cause(ctx), t.Zero(r.Off, r.Len))
	}
	return copyRange(ctx, t, stream, r.At, r)
}

// copyRange writes a range that stands in a source at a place.
func copyRange(ctx context.Context, t Target, from io.ReaderAt, at uint64, r StreamRange) error {
	p := make([]byte, min(r.Len, applyStep))
	for r.Len > 0 {
		p = p[:min(r.Len, applyStep)]
		n := uint64(len(p))
		err := context.Cause(ctx)
		if err == nil {
			err = readFull(from, p, at)
		}
		if err == nil {
			err = t.WriteAt(p, r.Off)
		}
		if err != nil {
			return err
		}
		at, r.Off, r.Len = at+n, r.Off+n, r.Len-n
	}
	return nil
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
