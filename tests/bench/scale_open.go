package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// scaleOpen is the cost of open images.
func (b *bench) scaleOpen(ctx context.Context) (scaleTable, error) {
	t := scaleTable{Title: "Images open for writing, each written to once", Head: []string{
		"images", "resident MiB", "threads", "descriptors"}}
	steps := b.steps([]int{1, 10, 100, 500}, []int{1, 10})
	space, err := b.space(ctx, "scale-open", slices.Max(steps), 1<<30)
	if err != nil {
		return t, err
	}
	for _, n := range steps {
		err := b.mountedAs(ctx, space, func(m *mounting) error {
			row, err := openCosts(m, n)
			t.Rows = append(t.Rows, row)
			return err
		})
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// openCosts opens n images at once, and looks at the daemon.
func openCosts(m *mounting, n int) (row []string, err error) {
	files := make([]*os.File, n)
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	err = inParallel(n, 16, func(i int) (err error) {
		if files[i], err = os.OpenFile(m.path(imageName(i)), os.O_RDWR, 0); err != nil {
			return err
		}
		_, err = files[i].Write(make([]byte, 64<<10))
		return err
	})
	u, usageErr := usageOf(m.daemon.pid())
	row = []string{fmt.Sprint(n), count(u.rss >> 20), fmt.Sprint(u.threads), fmt.Sprint(filesOf(m.daemon.pid()))}
	return row, errors.Join(err, usageErr)
}
