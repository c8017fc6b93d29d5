package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

// An image that changes between two snapshots, in places of a MiB that are spread
// over it evenly.
const (
	diffImage   = "changed"
	diffOlder   = "monday"
	diffNewer   = "tuesday"
	diffPlaces  = 100
	diffPlace   = 1 << 20
	diffObjects = 1 << 40 // the size of the images whose comparison alone is timed
)

// diffWorkloads back up what changed between two snapshots.
func diffWorkloads(b *bench) []workload {
	return []workload{{
		name: "diff", title: fmt.Sprintf("%d MiB changed in a %d GiB image, into a file", diffPlaces, b.changed>>30),
		unit: "MiB", reference: "rbd export-diff", quick: true,
		contestants: []contestant{
			{"rbd export-diff", on((*bench).toDiff, diffByRBD)},
			{"rbdfs cp", on((*bench).toDiff, diffByMount)},
		},
	}, {
		name: "diff-size", title: "what changed in an image of 1 TiB, found", unit: "image", reference: "rbd diff",
		contestants: []contestant{
			{"rbd diff", on((*bench).toCompare, compareByRBD)},
			{"rbdfs stat", on((*bench).toCompare, compareByMount("fast"))},
			{"rbdfs stat, no fast-diff", on((*bench).toCompare, compareByMount("plain"))},
		},
	}}
}

// toDiff is the pool with the image that changes, made once.
func (b *bench) toDiff(ctx context.Context) (pool, error) {
	space, err := b.space(ctx, "diff", 0, 0)
	p := pool{space, 1}
	if err != nil || b.hasDiff {
		return p, err
	}
	log.Print("making an image and changing it")
	err = b.mountedAs(ctx, space, func(m *mounting) error { return changeImage(m, diffImage, b.changed) })
	b.hasDiff = err == nil
	return p, err
}

// changeImage makes an image, with a snapshot before and after its change.
func changeImage(m *mounting, image string, size int64) error {
	if err := changePlaces(m.path(image), size); err != nil {
		return err
	}
	if err := os.Mkdir(m.path(filepath.Join(".snap", image, diffOlder)), 0o755); err != nil {
		return err
	}
	if err := changePlaces(m.path(image), size); err != nil {
		return err
	}
	return os.Mkdir(m.path(filepath.Join(".snap", image, diffNewer)), 0o755)
}

// changePlaces writes random data to all places of a file of size bytes.
func changePlaces(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	data := make([]byte, diffPlace)
	for i := range int64(diffPlaces) {
		_, _ = rand.Read(data)
		if _, err := f.WriteAt(data, i*(size/diffPlaces)); err != nil {
			return err
		}
	}
	return nil
}

// diffByRBD is "rbd export-diff".
func diffByRBD(ctx context.Context, b *bench, p pool) (sample, error) {
	to := b.path("exported")
	defer os.Remove(to)
	s, err := b.timed(ctx, nil, diffPlaces, "rbd", "export-diff", "--no-progress", "--from-snap", diffOlder,
		p.space+"/"+diffImage+"@"+diffNewer, to)
	return s, errors.Join(err, holdsChanges(to))
}

// diffByMount copies the stream, on a new mount.
func diffByMount(ctx context.Context, b *bench, p pool) (s sample, err error) {
	to := b.path("copied")
	defer os.Remove(to)
	err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
		s, err = b.timed(ctx, m.daemon, diffPlaces, "cp", streamFile(m, diffImage), to)
		return err
	})
	return s, errors.Join(err, holdsChanges(to))
}

// streamFile is the path of what changed in an image.
func streamFile(m *mounting, image string) string {
	return m.path(filepath.Join(".snap", image, diffNewer, ".diff", diffOlder))
}

// holdsChanges tells whether a stream can hold all that changed. That it does is
// for the tests.
func holdsChanges(path string) error {
	st, err := os.Stat(path)
	if err == nil && st.Size() < diffPlaces*diffPlace {
		err = fmt.Errorf("%s has %d bytes, less than what changed", path, st.Size())
	}
	return err
}

// toCompare is the pool with two large images, one of them without fast-diff.
func (b *bench) toCompare(ctx context.Context) (pool, error) {
	space, err := b.space(ctx, "compare", 0, 0)
	p := pool{space, 1}
	if err != nil || b.hasLarge {
		return p, err
	}
	log.Print("making images of 1 TiB and changing them")
	for image, args := range map[string][]string{"fast": nil, "plain": {"--image-feature", "layering,exclusive-lock"}} {
		args = append([]string{"create", "--size", "1T", space + "/" + image}, args...)
		if _, err := b.ceph.RBD(ctx, args...); err != nil {
			return p, err
		}
		err := b.mountedAs(ctx, space, func(m *mounting) error { return changeImage(m, image, diffObjects) })
		if err != nil {
			return p, err
		}
	}
	b.hasLarge = true
	return p, nil
}

// compareByRBD is "rbd diff" of the image with fast-diff.
func compareByRBD(ctx context.Context, b *bench, p pool) (sample, error) {
	return b.timed(ctx, nil, 1, "rbd", "diff", "--from-snap", diffOlder, p.space+"/fast@"+diffNewer)
}

// compareByMount is the first stat of the stream, on a new mount.
func compareByMount(image string) task {
	return func(ctx context.Context, b *bench, p pool) (s sample, err error) {
		err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
			s, err = b.timed(ctx, m.daemon, 1, "stat", streamFile(m, image))
			return err
		})
		return s, err
	}
}
