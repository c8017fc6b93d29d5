package rbdio

// ReadImage is an image open for reading. Offsets and lengths are in bytes.
// Calls may overlap, and block until the cluster has answered.
type ReadImage interface {
	// ReadAt fills p from the image, at fileOff. It fills all of p or returns an
	// error, except at the image's end: there it returns the bytes before it.
	ReadAt(p []byte, fileOff uint64) (int, error)
	// Size returns the image's size; without asking the cluster, unless the
	// image's header is known to have changed.
	Size() (uint64, error)
	// Layout returns the period of the image's striping in bytes: the object
	// size times the stripe count. Extents start and end at multiples of it.
	Layout() uint64
	// Extents returns what of [fileOff, fileOff+length) may hold data, in order
	// and not overlapping, clipped to the range; all that is left out reads as
	// zeros. It knows nothing of writes that were not flushed. A range of a clone
	// that its parent backs counts as data. An image whose object map or fast
	// diff is invalid is all data.
	Extents(fileOff, length uint64) ([]Extent, error)
	// Direct returns the image for C code to use, until Close: what it reads and
	// writes is as by ReadAt and WriteAt.
	Direct() Direct
	// Close ends the use of the image, and flushes what was written.
	Close() error
}

// Image is an image open for reading and writing.
type Image interface {
	ReadImage
	// WriteAt writes all of p at fileOff, which must end inside the image's size.
	WriteAt(p []byte, fileOff uint64) error
	// WriteZeroes makes [fileOff, fileOff+length) read as zeros, exactly, and
	// frees the objects that lie in it whole. The range must be inside the size.
	WriteZeroes(fileOff, length uint64) error
	// Resize sets the image's size. Shrinking discards what lies behind.
	Resize(size uint64) error
	// Grow is Resize that never shrinks: it is refused when the image is larger
	// already, as another client may have made it.
	Grow(size uint64) error
	// Flush returns when all that was written before is on the OSDs, or lost. Its
	// error is of the flush alone.
	Flush() error
	// CutBack makes an image of from bytes smaller, but only if empty says that all
	// behind size reads as zeros, and if no other client can have written to it since
	// before empty was called. It tells whether it has: not when another client has
	// the exclusive lock, or has given the image another size. empty may be called
	// more than once.
	CutBack(from, size uint64, empty func() (bool, error)) (cut bool, err error)
	// MayGrowAhead tells whether CutBack can be used on this image.
	MayGrowAhead() bool
	// Lost tells how many writes have failed since the image was opened after WriteAt,
	// or Direct, had acknowledged them, and the error of the last one. It does not
	// wait, and may be called after Close.
	Lost() (count uint64, last error)
	// Flatten copies all that a parent backs into the image, which then has no
	// parent, and tells how far it is; EINVAL without a parent. What was copied
	// before an error stays.
	Flatten(p *Progress) error
}

// Extent is the range of bytes [Off, Off+Len).
type Extent struct {
	Off uint64
	Len uint64
}

// End returns the first byte behind the extent.
func (e Extent) End() uint64 { return e.Off + e.Len }
