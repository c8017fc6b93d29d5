package snapshots

import (
	"context"
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
	// Snap takes a snapshot of what was written; Unsnap removes one; Rename gives one
	// another name.
	Snap(name string) error
	Unsnap(name string) error
	Rename(name, newName string) error
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
	if err := prepare(ctx, t, undo, d.From); err != nil {
		return err
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

// prepare takes the snapshot that the image can be put back to, once it is known
// to stand where a stream starts. Until then it has the name of one that the next
// apply removes, and does not go back to: nothing was changed, and others may write.
func prepare(ctx context.Context, t Target, undo, from string) error {
	if err := take(t, undoNow); err != nil {
		return fmt.Errorf("take snapshot %q of the image as it is: %w", undoNow, err)
	}
	err := standsAt(ctx, t, undoNow, from)
	if err == nil {
		err = there(t, undo, t.Rename(undoNow, undo))
	}
	if err != nil {
		return errors.Join(err, t.Unsnap(undoNow))
	}
	return nil
}

// take takes a snapshot that there was not.
func take(t Target, name string) error { return there(t, name, t.Snap(name)) }

// there forgives an error of making a snapshot that is there although it was not
// before: that of a connection may come after the deed.
func there(t Target, name string, err error) error {
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
