package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"
)

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
