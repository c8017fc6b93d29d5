package main

import (
	"context"
	"fmt"
)

// scaleImages is the cost of a pool's images.
func (b *bench) scaleImages(ctx context.Context) (scaleTable, error) {
	t := scaleTable{Title: "Images in the pool", Head: []string{
		"images", "ls, s", "ls -l, s", "ls -l again, s", "rbd ls -l, s", "open, stat, close, µs"}}
	columns := []column{
		{listMount(0, "ls"), seconds}, {listMount(0, "ls", "-l"), seconds}, {listMount(1, "ls", "-l"), seconds},
		{listByRBD("rbd", "ls", "-l"), seconds}, {openMount, latency},
	}
	for _, n := range b.steps([]int{100, 1000, 10000}, []int{10, 100}) {
		space, err := b.space(ctx, fmt.Sprint("scale-", n), n, 1<<30)
		if err != nil {
			return t, err
		}
		row, err := b.row(ctx, n, pool{space, n}, columns)
		if err != nil {
			return t, err
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}
