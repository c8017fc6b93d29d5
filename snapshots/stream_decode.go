package snapshots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"rbdfs/rbdio"
)

// maxNameLength is how long the name of a snapshot in a stream may be, in bytes:
// one that is longer could not be a file name.
const maxNameLength = 255

// StreamError says what is wrong with a stream.
type StreamError struct {
	At  uint64 // bytes
	Why string
}

// Error gives the place and the reason.
func (e *StreamError) Error() string { return fmt.Sprintf("%s at byte %d", e.Why, e.At) }

// StreamDecoder reads a stream from its begin to its end, without its data. All
// that it returns was checked: the order of the records, that ranges are inside
// the image's size, and that their data is there.
type StreamDecoder struct {
	From string // "" for a full stream
	To   string
	Size uint64 // of the image, in bytes

	r      io.ReaderAt
	length uint64 // of the stream
	at     uint64 // of the next record
	sized  bool   // Size was there
	next   byte   // the tag of the next record, 0 when it was not read yet
}

// StreamRange is a range of the image.
type StreamRange struct {
	rbdio.DiffExtent
	At uint64 // where its data stands in the stream, unless it is zeros
}

// NewStreamDecoder reads what a stream of length bytes says of the whole;
// *StreamError, or an error of r.
func NewStreamDecoder(r io.ReaderAt, length uint64) (*StreamDecoder, error) {
	d := &StreamDecoder{r: r, length: length}
	banner, err := d.take(uint64(len(streamBanner)))
	if err != nil || string(banner) != streamBanner {
		return nil, errors.Join(ioError(err), d.wrong(0, "it does not begin as a stream of rbd export-diff (format 1)"))
	}
	for {
		start := d.at
		tag, err := d.take(1)
		if err != nil {
			return nil, err
		}
		switch tag[0] {
		case tagFrom:
			err = d.takeName(start, &d.From)
		case tagTo:
			err = d.takeName(start, &d.To)
		case tagSize:
			err = d.takeSize(start)
		default:
			d.next, d.at = tag[0], start+1
			return d, d.complete(start)
		}
		if err != nil {
			return nil, err
		}
	}
}

// ioError keeps an error of the reader apart from one of the format.
func ioError(err error) error {
	var format *StreamError
	if errors.As(err, &format) {
		return nil
	}
	return err
}

// complete checks that the first records have said what they must.
func (d *StreamDecoder) complete(at uint64) error {
	switch {
	case !d.sized:
		return d.wrong(at, "it does not tell the image's size")
	case d.To == "":
		return d.wrong(at, "it does not lead to a snapshot; export a snapshot, and not the image as it is")
	case d.From == d.To:
		return d.wrong(at, "it starts from the snapshot that it leads to")
	}
	return nil
}

// Next returns the next range; io.EOF when the stream has ended as it should.
func (d *StreamDecoder) Next() (StreamRange, error) {
	start := d.at
	if d.next == 0 {
		tag, err := d.take(1)
		if err != nil {
			return StreamRange{}, err
		}
		d.next = tag[0]
	} else {
		start--
	}
	tag := d.next
	d.next = 0
	switch tag {
	case tagData, tagZero:
		return d.takeRange(start, tag == tagZero)
	case tagEnd:
		if d.at != d.length {
			return StreamRange{}, d.wrong(d.at, "something follows its end")
		}
		d.next = tagEnd // for a second call
		d.at = d.length
		return StreamRange{}, io.EOF
	}
	return StreamRange{}, d.wrong(start, fmt.Sprintf("a record of the unknown kind %q", tag))
}

func (d *StreamDecoder) takeRange(start uint64, zero bool) (StreamRange, error) {
	b, err := d.take(16)
	if err != nil {
		return StreamRange{}, err
	}
	r := StreamRange{At: d.at, DiffExtent: rbdio.DiffExtent{Zero: zero}}
	r.Off, r.Len = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if r.Off > d.Size || r.Len > d.Size-r.Off {
		return StreamRange{}, d.wrong(start, fmt.Sprintf("a range (%d bytes at %d) outside of the image's %d bytes", r.Len, r.Off, d.Size))
	}
	if zero {
		return r, nil
	}
	if r.Len > d.length-d.at {
		return StreamRange{}, d.short()
	}
	d.at += r.Len
	return r, nil
}

func (d *StreamDecoder) takeName(start uint64, name *string) error {
	if *name != "" {
		return d.wrong(start, "a second record of the same kind")
	}
	b, err := d.take(4)
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > maxNameLength {
		return d.wrong(start, fmt.Sprintf("a snapshot's name of %d bytes", n))
	}
	b, err = d.take(uint64(n))
	*name = string(b)
	return err
}

func (d *StreamDecoder) takeSize(start uint64) error {
	if d.sized {
		return d.wrong(start, "a second record of the same kind")
	}
	b, err := d.take(8)
	if err != nil {
		return err
	}
	d.Size, d.sized = binary.LittleEndian.Uint64(b), true
	return nil
}

// take reads the next n bytes, which are few.
func (d *StreamDecoder) take(n uint64) ([]byte, error) {
	if n > d.length-d.at {
		return nil, d.short()
	}
	b := make([]byte, n)
	if got, err := d.r.ReadAt(b, int64(d.at)); uint64(got) < n {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, d.at, err)
	}
	d.at += n
	return b, nil
}

func (d *StreamDecoder) short() error { return d.wrong(d.length, "it is cut off") }

func (d *StreamDecoder) wrong(at uint64, why string) error { return &StreamError{At: at, Why: why} }

// Position returns how far the stream was read, in bytes.
func (d *StreamDecoder) Position() uint64 { return d.at }
