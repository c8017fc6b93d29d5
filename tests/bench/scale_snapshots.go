package main

import (
	"context"
	"time"
)

// scaleSnapshots is the cost of an image's snapshots.
func (b *bench) scaleSnapshots(ctx context.Context) (scaleTable, error) {
	t := scaleTable{Title: "Snapshots of an image", Head: []string{
		"snapshots", "ls -l .snap/IMAGE, s", "rbd snap ls, s", "open the image, µs", "open a snapshot, µs"}}
	image := func(m *mounting) string { return m.path(imageName(0)) }
	first := func(m *mounting) string { return snapshotFile(m, imageName(0), "s000") }
	columns := []column{
		{snapshotsByMount, seconds}, {snapshotsByRBD, seconds}, {openOne(image), latency}, {openOne(first), latency},
	}
	for _, n := range b.steps([]int{1, 10, 100, 500}, []int{1, 5}) {
		p, err := b.snapshotted(ctx, n)
		if err != nil {
			return t, err
		}
		row, err := b.row(ctx, n, p, columns)
		if err != nil {
			return t, err
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// openOne opens a file of a new mount for the first time.
func openOne(path func(*mounting) string) task {
	return func(ctx context.Context, b *bench, p pool) (s sample, err error) {
		err = b.mountedAs(ctx, p.space, func(m *mounting) error {
			began := time.Now()
			err := openStatClose(path(m))
			s = latencies([]time.Duration{time.Since(began)})
			return err
		})
		return s, err
	}
}
