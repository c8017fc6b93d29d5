package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// scalePurge is what the others of a mount feel while an empty image is removed and
// purged; in the first row none is.
func (b *bench) scalePurge(ctx context.Context) (scaleTable, error) {
	t := scaleTable{Title: "Other files while an empty image of that size is removed", Head: []string{
		"TiB", "4k read: mean, µs", "4k read: worst, µs", "open and close: worst, µs", "create: worst, µs"}}
	space, err := b.space(ctx, "scale-purge", 2, 64<<20)
	if err != nil {
		return t, err
	}
	for _, tib := range b.steps([]int{0, 1, 16, 64}, []int{0, 16}) {
		err := b.mountedAs(ctx, space, func(m *mounting) error {
			reads, opens, creates, err := b.besideARemoval(m, int64(tib)<<40)
			t.Rows = append(t.Rows, []string{fmt.Sprint(tib), number(latencies(reads).Mean),
				number(worst(reads)), number(worst(opens)), number(worst(creates))})
			return err
		})
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// besideARemoval removes an empty image, if it has a size, and uses other ones until
// the runtime is over.
func (b *bench) besideARemoval(m *mounting, size int64) (reads, opens, creates []time.Duration, err error) {
	guest, err := os.OpenFile(m.path(imageName(0)), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, guest.Close()) }()
	if size > 0 {
		if err := removeEmpty(m.path("large"), size); err != nil {
			return nil, nil, nil, err
		}
	}
	block, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, unix.Munmap(block)) }()
	for end := time.Now().Add(b.runtime); time.Now().Before(end); {
		for _, step := range []struct {
			took *[]time.Duration
			do   func() error
		}{
			{&reads, func() error { _, err := guest.ReadAt(block, int64(len(reads)%1000)*4096); return err }},
			{&opens, func() error { return openStatClose(m.path(imageName(1))) }},
			{&creates, func() error { return os.WriteFile(m.path("small"), nil, 0o600) }},
			{new([]time.Duration), func() error { return os.Remove(m.path("small")) }},
		} {
			began := time.Now()
			if err := step.do(); err != nil {
				return nil, nil, nil, err
			}
			*step.took = append(*step.took, time.Since(began))
		}
	}
	return reads, opens, creates, nil
}

// removeEmpty makes a file that holds nothing, and removes it.
func removeEmpty(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close(), os.Remove(path))
}

// worst returns the longest of some times, in µs.
func worst(took []time.Duration) float64 { return micros(slices.Max(took)) }
