package snapshots

import (
	"sync"

	"rbdfs/rbdio"
)

// Stream is one open stream: what changed from an older snapshot to a newer one,
// or from nothing, as the rbd command's export-diff writes it. Reads may overlap.
type Stream struct {
	file   *File
	entry  *streamEntry
	header []byte
}

// ImageID returns the id of the snapshots' image.
func (s *Stream) ImageID() string { return s.file.ImageID() }

// Size returns the stream's length in bytes.
func (s *Stream) Size() uint64 { return uint64(len(s.header)) + s.entry.index.size }

// readsAtOnce bounds the reads of the image that one read of a stream makes at once.
const readsAtOnce = 16

// ReadAt fills p from the stream at off, and returns less than len(p) bytes only
// at its end; ESTALE when the snapshot was removed.
func (s *Stream) ReadAt(p []byte, off uint64) (int, error) {
	if off >= s.Size() {
		return 0, nil
	}
	p = p[:min(uint64(len(p)), s.Size()-off)]
	n := 0
	if off < uint64(len(s.header)) {
		n = copy(p, s.header[off:])
		off += uint64(n)
	}
	return len(p), s.readPieces(p[n:], off-uint64(len(s.header)))
}

// readPieces fills p from the stream behind its header, with several reads of the
// image at once where the changes are small.
func (s *Stream) readPieces(p []byte, off uint64) error {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards failed
	var failed error
	turns := make(chan struct{}, readsAtOnce)
	for _, part := range s.entry.index.pieces(off, uint64(len(p))) {
		if part.known != nil {
			p = p[copy(p, part.known):]
			continue
		}
		dest := p[:part.data.Len]
		p = p[part.data.Len:]
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			if err := s.file.fill(dest, part.data.Off); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	wg.Wait()
	return failed
}

// fill reads all of p.
func (f *File) fill(p []byte, fileOff uint64) error {
	_, err := f.ReadAt(p, fileOff)
	return err
}

// diffWindow is what one question for changes may ask of, in periods of
// ReadImage.Layout. Ranges that are not further apart than diffGap periods are
// asked for together: the OSDs are asked for several objects at once.
const (
	diffWindow = 4096
	diffGap    = 16
)

// compare makes the index of what changed since an older snapshot: where, by the
// fast diff if there is one to be believed, and there exactly.
func (f *File) compare(older uint64) (*streamIndex, error) {
	b := &indexBuilder{imageSize: f.size, most: maxExtents}
	changed := []rbdio.Extent{{Len: f.size}}
	if !f.tree.noExtents {
		err := f.during(func() (err error) {
			changed, err = f.img.Changed(older)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, w := range windows(changed, f.img.Layout()) {
		err := f.during(func() error {
			list, err := f.img.Diff(older, w.Off, w.Len)
			b.add(list)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return b.index(), nil
}

// during makes one call to the image.
func (f *File) during(call func() error) error {
	if err := f.use(); err != nil {
		return err
	}
	err := call()
	f.done(err)
	return err
}

// windows joins ranges that are close to each other, and splits what is large.
func windows(ranges []rbdio.Extent, period uint64) []rbdio.Extent {
	var joined, list []rbdio.Extent
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.Off-joined[n-1].End() <= diffGap*period {
			joined[n-1].Len = r.End() - joined[n-1].Off
			continue
		}
		joined = append(joined, r)
	}
	for _, r := range joined {
		for r.Len > 0 {
			n := min(r.Len, diffWindow*period)
			list = append(list, rbdio.Extent{Off: r.Off, Len: n})
			r.Off, r.Len = r.Off+n, r.Len-n
		}
	}
	return list
}
