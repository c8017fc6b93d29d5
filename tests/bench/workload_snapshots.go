package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
)

// snapshotWorkloads clone, and list snapshots.
func snapshotWorkloads(b *bench) []workload {
	return []workload{{
		name: "clone", title: fmt.Sprintf("clone of a %d GiB image with %d MiB of data", b.golden>>30, b.goldenData>>20),
		unit: "clone", reference: "rbd clone", quick: true,
		contestants: []contestant{
			{"rbd clone", on((*bench).toClone, cloneByRBD)},
			{"rbdfs ln", on((*bench).toClone, cloneByMount("ln"))},
			{"rbdfs cp", on((*bench).toClone, cloneByMount("cp"))},
		},
	}, {
		name: "snap-list", title: fmt.Sprintf("list of the %d snapshots of an image", b.snapshots),
		unit: "snapshot", reference: "rbd snap ls", quick: true,
		contestants: []contestant{
			{"rbd snap ls", on((*bench).snapped, snapshotsByRBD)},
			{"rbdfs ls -l", on((*bench).snapped, snapshotsByMount)},
		},
	}}
}

const (
	goldenImage = "golden"
	goldenSnap  = "v1"
)

// toClone is the pool with an image to clone, made once.
func (b *bench) toClone(ctx context.Context) (pool, error) {
	space, err := b.space(ctx, "golden", 0, 0)
	p := pool{space, 1}
	if err != nil || b.hasGolden {
		return p, err
	}
	log.Print("making an image to clone")
	file := b.path(goldenImage)
	if err := sparseFile(file, b.golden, b.goldenData); err != nil {
		return p, err
	}
	defer os.Remove(file)
	// Not by "rbd import", which reads the holes too.
	err = b.mountedAs(ctx, space, func(m *mounting) error {
		_, err := b.command(ctx, "cp", file, m.path(goldenImage))
		return err
	})
	if err != nil {
		return p, err
	}
	_, err = b.ceph.RBD(ctx, "snap", "create", "--no-progress", space+"/"+goldenImage+"@"+goldenSnap)
	b.hasGolden = err == nil
	return p, err
}

// cloneByRBD is "rbd clone". Clones of format 2 need no protected snapshot.
func cloneByRBD(ctx context.Context, b *bench, p pool) (sample, error) {
	s, err := b.timed(ctx, nil, 1, "rbd", "clone", "--rbd-default-clone-format", "2",
		p.space+"/"+goldenImage+"@"+goldenSnap, p.space+"/new")
	return s, errors.Join(err, b.remove(ctx, p.space, "new"))
}

// cloneByMount makes a new image of the snapshot's file by a command.
func cloneByMount(command string) task {
	return func(ctx context.Context, b *bench, p pool) (s sample, err error) {
		err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
			s, err = b.timed(ctx, m.daemon, 1, command, snapshotFile(m, goldenImage, goldenSnap), m.path("new"))
			return err
		})
		return s, errors.Join(err, b.remove(ctx, p.space, "new"))
	}
}

// snapshotFile is the path of an image as it was.
func snapshotFile(m *mounting, image, snap string) string {
	return m.path(filepath.Join(".snap", image, snap, image))
}

// snapped is the pool whose one image has the snapshots.
func (b *bench) snapped(ctx context.Context) (pool, error) { return b.snapshotted(ctx, b.snapshots) }

// snapshotted is the same with at least n snapshots.
func (b *bench) snapshotted(ctx context.Context, n int) (pool, error) {
	space, err := b.space(ctx, "snap", 1, 1<<30)
	p := pool{space, 1}
	if err != nil || b.snaps >= n {
		return p, err
	}
	log.Printf("making snapshots, %d in all", n)
	err = b.batch(ctx, "snapshot", space, imageName(0), strconv.Itoa(b.snaps), strconv.Itoa(n))
	b.snaps = n
	return p, err
}

// snapshotsByRBD is "rbd snap ls".
func snapshotsByRBD(ctx context.Context, b *bench, p pool) (sample, error) {
	return b.timedList(ctx, nil, snapName, b.snaps, "rbd", "snap", "ls", p.space+"/"+imageName(0))
}

// snapshotsByMount is "ls -l" on a new mount.
func snapshotsByMount(ctx context.Context, b *bench, p pool) (s sample, err error) {
	err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
		s, err = b.timedList(ctx, m.daemon, snapName, b.snaps, "ls", "-l", m.path(".snap/"+imageName(0)))
		return err
	})
	return s, err
}
