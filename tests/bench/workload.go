package main

import (
	"context"
)

// workload is something to measure.
type workload struct {
	name      string // for -only, and for bars.go
	title     string // for people
	unit      string // what a rate counts a second: "op", "MiB", "image"
	reference string // the contestant that ratios are to, if there is one
	quick     bool   // whether -quick has it

	prepare     func(ctx context.Context, b *bench) error // once, before the first run; may be nil
	finish      func(ctx context.Context, b *bench) error // once, after the last one; may be nil
	contestants []contestant
}

// workloads are all of them, in the order of the tables.
func workloads(b *bench) []workload {
	var all []workload
	for _, family := range []func(*bench) []workload{
		fioWorkloads, copyWorkloads, convertWorkloads, listWorkloads, openWorkloads, busyWorkloads, snapshotWorkloads,
		diffWorkloads,
	} {
		all = append(all, family(b)...)
	}
	return all
}
