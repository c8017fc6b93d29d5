package rbdio

import "time"

// Limit bounds the calls into pool that run at once, its images included: data
// for those that move a file's bytes, and metadata for all others. Each call
// that waits for the cluster pins a thread, and Go ends the process at 10,000 of
// them, which a slow cluster would reach. The two allowances are separate, so
// that ls goes on while writes wait. A call over the limit waits for its turn. In each,
// an image has at most as many turns as are free (turns_shared.go), so that one whose
// OSDs do not answer leaves turns to the others.
//
// What needs no answer of the cluster, Key, Layout and MayGrowAhead, and what must not wait
// for others, closing, is not counted; nor are flattening and purging, which may take
// hours and are bounded by who runs them, nor what passes by way of Direct, which pins
// no thread.
func Limit(pool Pool, data, metadata int) Pool {
	return &limitedPool{Pool: pool, data: newSharedTurns(data), metadata: newSharedTurns(metadata)}
}

// limitedPool is a Pool whose calls are bounded. Key and Close pass through.
type limitedPool struct {
	Pool
	data, metadata *sharedTurns
}

func (l *limitedPool) List() ([]Entry, error) {
	defer l.metadata.take("")()
	return l.Pool.List()
}

func (l *limitedPool) Lookup(name string) (string, error) {
	defer l.metadata.take(name)()
	return l.Pool.Lookup(name)
}

func (l *limitedPool) Changed(list List) (time.Time, error) {
	defer l.metadata.take("")()
	return l.Pool.Changed(list)
}

func (l *limitedPool) Create(name string) (string, error) {
	defer l.metadata.take(name)()
	return l.Pool.Create(name)
}

func (l *limitedPool) Rename(name, newName string) error {
	defer l.metadata.take(name)()
	return l.Pool.Rename(name, newName)
}

func (l *limitedPool) Stat(id string) (Info, error) {
	defer l.metadata.take(id)()
	return l.Pool.Stat(id)
}

func (l *limitedPool) StatMany(entries []Entry) []Answer {
	defer l.metadata.take("")()
	return l.Pool.StatMany(entries)
}

func (l *limitedPool) SetAttr(id string, attr Attr) error {
	defer l.metadata.take(id)()
	return l.Pool.SetAttr(id, attr)
}

func (l *limitedPool) Describe(id string) (Details, error) {
	defer l.metadata.take(id)()
	return l.Pool.Describe(id)
}

func (l *limitedPool) MetadataKeys(id string) ([]string, error) {
	defer l.metadata.take(id)()
	return l.Pool.MetadataKeys(id)
}

func (l *limitedPool) Metadata(id string) (map[string]string, error) {
	defer l.metadata.take(id)()
	return l.Pool.Metadata(id)
}

func (l *limitedPool) SetMetadata(id, key, value string) error {
	defer l.metadata.take(id)()
	return l.Pool.SetMetadata(id, key, value)
}

func (l *limitedPool) RemoveMetadata(id, key string) error {
	defer l.metadata.take(id)()
	return l.Pool.RemoveMetadata(id, key)
}

func (l *limitedPool) Remove(name string, expires time.Time) (string, error) {
	defer l.metadata.take(name)()
	return l.Pool.Remove(name, expires)
}

func (l *limitedPool) ListTrash() ([]TrashEntry, error) {
	defer l.metadata.take("")()
	return l.Pool.ListTrash()
}

func (l *limitedPool) Claim(e TrashEntry) (Claim, error) {
	defer l.metadata.take(e.ID)()
	return l.Pool.Claim(e)
}

func (l *limitedPool) Expire(e TrashEntry) error {
	defer l.metadata.take(e.ID)()
	return l.Pool.Expire(e)
}

func (l *limitedPool) Restore(id, name string) error {
	defer l.metadata.take(id)()
	return l.Pool.Restore(id, name)
}

func (l *limitedPool) Usage() (Usage, error) {
	defer l.metadata.take("")()
	return l.Pool.Usage()
}

func (l *limitedPool) ListSnapshots(imageID string) ([]Snapshot, error) {
	defer l.metadata.take(imageID)()
	return l.Pool.ListSnapshots(imageID)
}

func (l *limitedPool) StatSnapshot(imageID string, snapID uint64) (Info, error) {
	defer l.metadata.take(imageID)()
	return l.Pool.StatSnapshot(imageID, snapID)
}

func (l *limitedPool) CreateSnapshot(imageID, name string) error {
	defer l.metadata.take(imageID)()
	return l.Pool.CreateSnapshot(imageID, name)
}

func (l *limitedPool) RemoveSnapshot(imageID, name string) error {
	defer l.metadata.take(imageID)()
	return l.Pool.RemoveSnapshot(imageID, name)
}

func (l *limitedPool) RenameSnapshot(imageID, name, newName string) error {
	defer l.metadata.take(imageID)()
	return l.Pool.RenameSnapshot(imageID, name, newName)
}

func (l *limitedPool) CloneSnapshot(imageID string, snapID uint64, name string) (string, error) {
	defer l.metadata.take(imageID)()
	return l.Pool.CloneSnapshot(imageID, snapID, name)
}

func (l *limitedPool) OpenSnapshot(imageID string, snapID uint64) (SnapshotImage, error) {
	defer l.metadata.take(imageID)()
	img, err := l.Pool.OpenSnapshot(imageID, snapID)
	if err != nil {
		return nil, err
	}
	return l.limitSnapshot(img, imageID), nil
}

// limitSnapshot bounds the calls of an open snapshot.
func (l *limitedPool) limitSnapshot(img SnapshotImage, id string) SnapshotImage {
	return &limitedSnapshotImage{
		limitedReadImage: limitedReadImage{ReadImage: img, id: id, data: l.data, metadata: l.metadata},
		image:            img,
	}
}

func (l *limitedPool) OpenReadOnly(id string) (ReadImage, error) {
	defer l.metadata.take(id)()
	img, err := l.Pool.OpenReadOnly(id)
	if err != nil {
		return nil, err
	}
	return &limitedReadImage{ReadImage: img, id: id, data: l.data, metadata: l.metadata}, nil
}

func (l *limitedPool) Open(id string) (Image, error) {
	defer l.metadata.take(id)()
	img, err := l.Pool.Open(id)
	if err != nil {
		return nil, err
	}
	return &limitedImage{
		limitedReadImage: limitedReadImage{ReadImage: img, id: id, data: l.data, metadata: l.metadata},
		image:            img,
	}, nil
}

// limitedReadImage is a ReadImage whose calls are bounded. Layout and Close pass
// through.
type limitedReadImage struct {
	ReadImage
	id             string
	data, metadata *sharedTurns
}

func (l *limitedReadImage) ReadAt(p []byte, fileOff uint64) (int, error) {
	defer l.data.take(l.id)()
	return l.ReadImage.ReadAt(p, fileOff)
}

func (l *limitedReadImage) Extents(fileOff, length uint64) ([]Extent, error) {
	defer l.data.take(l.id)()
	return l.ReadImage.Extents(fileOff, length)
}

func (l *limitedReadImage) Size() (uint64, error) {
	defer l.metadata.take(l.id)()
	return l.ReadImage.Size()
}

// limitedSnapshotImage is a SnapshotImage whose calls are bounded.
type limitedSnapshotImage struct {
	limitedReadImage
	image SnapshotImage
}

func (l *limitedSnapshotImage) Changed(older uint64) ([]Extent, error) {
	defer l.data.take(l.id)()
	return l.image.Changed(older)
}

func (l *limitedSnapshotImage) Diff(older, fileOff, length uint64) ([]DiffExtent, error) {
	defer l.data.take(l.id)()
	return l.image.Diff(older, fileOff, length)
}

// limitedImage is an Image whose calls are bounded.
type limitedImage struct {
	limitedReadImage
	image Image
}

func (l *limitedImage) WriteAt(p []byte, fileOff uint64) error {
	defer l.data.take(l.id)()
	return l.image.WriteAt(p, fileOff)
}

func (l *limitedImage) WriteZeroes(fileOff, length uint64) error {
	defer l.data.take(l.id)()
	return l.image.WriteZeroes(fileOff, length)
}

func (l *limitedImage) Flush() error {
	defer l.data.take(l.id)()
	return l.image.Flush()
}

func (l *limitedImage) Resize(size uint64) error {
	defer l.metadata.take(l.id)()
	return l.image.Resize(size)
}

func (l *limitedImage) Grow(size uint64) error {
	defer l.metadata.take(l.id)()
	return l.image.Grow(size)
}

func (l *limitedImage) Lost() (uint64, error) { return l.image.Lost() }

func (l *limitedImage) Flatten(p *Progress) error { return l.image.Flatten(p) }

func (l *limitedImage) CutBack(from, size uint64, empty func() (bool, error)) (bool, error) {
	defer l.metadata.take(l.id)() // and empty takes turns of data, which wait for none of these
	return l.image.CutBack(from, size, empty)
}

func (l *limitedImage) MayGrowAhead() bool { return l.image.MayGrowAhead() }
