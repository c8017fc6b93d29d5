package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// scaleSize is the cost of an image's size.
func (b *bench) scaleSize(ctx context.Context) (scaleTable, error) {
	t := scaleTable{Title: "Size of an image with three blocks of data", Head: []string{
		"GiB", "create, µs", "truncate to size, µs", "open, µs", "stat, µs", "walk by SEEK_DATA, µs", "truncate to 0, µs"}}
	space, err := b.space(ctx, "scale-size", 0, 0)
	if err != nil {
		return t, err
	}
	for _, gib := range b.steps([]int{1, 64, 1 << 10, 16 << 10}, []int{1, 1 << 10}) {
		steps := make([][]sample, len(t.Head)-1)
		for range b.runs {
			err := b.mountedAs(ctx, space, func(m *mounting) error { return sizeCosts(m.path("sized"), int64(gib)<<30, steps) })
			if err != nil {
				return t, err
			}
		}
		row := []string{fmt.Sprint(gib)}
		for _, s := range steps {
			row = append(row, number(median(s, latency)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// sizeCosts makes a file of a size, uses it and removes it, and adds to each
// step what it took.
func sizeCosts(path string, size int64, steps [][]sample) (err error) {
	var f *os.File
	defer func() { err = errors.Join(err, f.Close(), os.Remove(path)) }()
	reopen := func() (err error) { f, err = os.OpenFile(path, os.O_RDWR, 0); return err }
	for i, step := range []func() error{
		func() (err error) { f, err = os.Create(path); return err },
		func() error { return f.Truncate(size) },
		reopen,
		func() error { _, err := f.Stat(); return err },
		func() error { return walkData(f) },
		func() error { return f.Truncate(0) },
	} {
		began := time.Now()
		if err := step(); err != nil {
			return err
		}
		steps[i] = append(steps[i], latencies([]time.Duration{time.Since(began)}))
		if i == 1 {
			if err := errors.Join(writeSpread(f, size), f.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSpread writes a block at the beginning, in the middle and at the end.
func writeSpread(f *os.File, size int64) error {
	block := make([]byte, 4096)
	block[0] = 1
	for _, off := range []int64{0, size / 2, size - int64(len(block))} {
		if _, err := f.WriteAt(block, off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// walkData finds all data of a file as cp and tar do: in three places here.
func walkData(f *os.File) error {
	found := 0
	for off := int64(0); ; found++ {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return err
		}
		if off, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			return err
		}
	}
	if found != 3 {
		return fmt.Errorf("%s: data in %d places, want 3", f.Name(), found)
	}
	return nil
}
