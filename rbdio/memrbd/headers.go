package memrbd

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// timeStep is how far an image's time must be behind for a read or a write to
// move it: the default of rbd_mtime_update_interval and rbd_atime_update_interval.
const timeStep = time.Minute

// advance moves t to now as librbd does.
func advance(t *time.Time, now time.Time) {
	if now.Sub(*t) >= timeStep {
		*t = now
	}
}

// Stat reads an image's header.
func (p *Pool) Stat(id string) (rbdio.Info, error) {
	if err := p.begin("Stat"); err != nil {
		return rbdio.Info{}, err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("stat", id)
	if err != nil {
		return rbdio.Info{}, err
	}
	return img.info(), nil
}

// StatMany reads the headers of several images.
func (p *Pool) StatMany(entries []rbdio.Entry) []rbdio.Answer {
	answers := make([]rbdio.Answer, len(entries))
	err := p.begin("StatMany")
	if err == nil {
		defer p.mu.Unlock()
	}
	for i, e := range entries {
		if answers[i].Err = err; err == nil {
			answers[i] = p.answerLocked(e)
		}
	}
	return answers
}

// answerLocked reads one header; ENOENT also where the image has another name.
func (p *Pool) answerLocked(e rbdio.Entry) rbdio.Answer {
	if named := p.names[e.Name]; e.Name != "" && (named == nil || named.id != e.ID) {
		return rbdio.Answer{Err: rbdio.Errorf(syscall.ENOENT, "look up %q", e.Name)}
	}
	img, err := p.imageLocked("stat", e.ID)
	if err != nil {
		return rbdio.Answer{Err: err}
	}
	return rbdio.Answer{Info: img.info()}
}

// info returns the image's header.
func (img *image) info() rbdio.Info {
	info := rbdio.Info{
		ID:         img.id,
		Size:       img.size,
		ObjectSize: img.durable.objectSize,
		Created:    img.created,
		Modified:   img.modified,
		Accessed:   img.accessed,
		Allocated:  int64(min(img.durable.allocated(), img.size)),
	}
	mergeAttr(&info.Attr, img.attr)
	if img.invalidMap {
		info.Allocated = rbdio.Unknown
	}
	return info
}

// SetAttr keeps the attributes that attr names.
func (p *Pool) SetAttr(id string, attr rbdio.Attr) error {
	if err := p.begin("SetAttr"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("set attributes of", id)
	if err != nil {
		return err
	}
	if attr.Modified != nil {
		img.modified = *attr.Modified
	}
	if attr.Accessed != nil {
		img.accessed = *attr.Accessed
	}
	mergeAttr(&img.attr, attr)
	return nil
}

// mergeAttr copies into to what from names, but for the image's own times, so
// that neither side keeps a pointer of the other.
func mergeAttr(to *rbdio.Attr, from rbdio.Attr) {
	merge(&to.Mode, from.Mode)
	merge(&to.UID, from.UID)
	merge(&to.GID, from.GID)
	merge(&to.Changed, from.Changed)
}

func merge[T any](to **T, from *T) {
	if from != nil {
		value := *from
		*to = &value
	}
}

// Describe tells what memrbd knows of an image.
func (p *Pool) Describe(id string) (rbdio.Details, error) {
	if err := p.begin("Describe"); err != nil {
		return rbdio.Details{}, err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("describe", id)
	if err != nil {
		return rbdio.Details{}, err
	}
	details := rbdio.Details{
		Features:        []string{"layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"},
		ObjectSize:      img.durable.objectSize,
		StripeUnit:      img.durable.objectSize,
		StripeCount:     1,
		BlockNamePrefix: "rbd_data." + id,
	}
	if img.parent != nil {
		details.Parent = "pool/" + img.parent.image.name + "@" + img.parent.Name
	}
	if img.invalidMap {
		details.Flags = []string{"object map invalid", "fast diff invalid"}
	}
	ours, others := p.watchersLocked(img)
	for i := range ours {
		details.Watchers = append(details.Watchers, fmt.Sprintf("192.0.2.1:0/%d", i+1))
	}
	for i := range others {
		details.Watchers = append(details.Watchers, fmt.Sprintf("192.0.2.2:0/%d", i+1))
	}
	return details, nil
}

// MetadataKeys returns the keys of the image's metadata.
func (p *Pool) MetadataKeys(id string) ([]string, error) {
	if err := p.begin("MetadataKeys"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("list metadata of", id)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(img.metadata)), nil
}

// Metadata returns the image's metadata.
func (p *Pool) Metadata(id string) (map[string]string, error) {
	if err := p.begin("Metadata"); err != nil {
		return nil, err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("read metadata of", id)
	if err != nil {
		return nil, err
	}
	return maps.Clone(img.metadata), nil
}

// SetMetadata sets one metadata key.
func (p *Pool) SetMetadata(id, key, value string) error {
	if err := p.begin("SetMetadata"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("set metadata of", id)
	if err != nil {
		return err
	}
	img.metadata[key] = value
	return nil
}

// RemoveMetadata removes one metadata key.
func (p *Pool) RemoveMetadata(id, key string) error {
	if err := p.begin("RemoveMetadata"); err != nil {
		return err
	}
	defer p.mu.Unlock()
	img, err := p.imageLocked("remove metadata of", id)
	if err != nil {
		return err
	}
	if _, ok := img.metadata[key]; !ok {
		return rbdio.Errorf(syscall.ENOENT, "remove metadata %q of image %s", key, id)
	}
	delete(img.metadata, key)
	return nil
}
