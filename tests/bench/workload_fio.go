package main

import (
	"context"
	"fmt"
)

// pattern is how fio does I/O on the prefilled image.
type pattern struct {
	name, title string
	rw, bs      string // fio's
	depth       int    // requests in flight
	args        []string
	quick       bool
}

// patterns are those of the bars, and the mix.
var patterns = []pattern{
	{name: "randread-4k-1", title: "4k random read", rw: "randread", bs: "4k", depth: 1, quick: true},
	{name: "randread-4k-32", title: "4k random read", rw: "randread", bs: "4k", depth: 32},
	{name: "randwrite-4k-1", title: "4k random write", rw: "randwrite", bs: "4k", depth: 1, quick: true},
	{name: "randwrite-4k-32", title: "4k random write", rw: "randwrite", bs: "4k", depth: 32},
	{name: "randread-4k-16", title: "4k random read", rw: "randread", bs: "4k", depth: 16},
	{name: "randwrite-4k-16", title: "4k random write", rw: "randwrite", bs: "4k", depth: 16},
	{name: "mix-4k-32", title: "4k random, 70% read, 30% write", rw: "randrw", bs: "4k", depth: 32, args: []string{"--rwmixread=70"}},
	{name: "read-64k-4", title: "64k sequential read", rw: "read", bs: "64k", depth: 4},
	{name: "write-64k-4", title: "64k sequential write", rw: "write", bs: "64k", depth: 4},
	{name: "read-1m-8", title: "1M sequential read", rw: "read", bs: "1M", depth: 8, quick: true},
	{name: "write-1m-8", title: "1M sequential write", rw: "write", bs: "1M", depth: 8, quick: true},
	{name: "read-4m-2", title: "4M sequential read", rw: "read", bs: "4M", depth: 2},
	{name: "write-4m-2", title: "4M sequential write", rw: "write", bs: "4M", depth: 2},
}

// sequential says whether a reader of one file ahead can help.
func (p pattern) sequential() bool { return p.rw == "read" || p.rw == "write" }

// threaded says whether the pattern is for threads with one request each.
func (p pattern) threaded() bool { return p.depth == 16 }

// fioWorkloads run the patterns through each contestant that fits.
func fioWorkloads(b *bench) []workload {
	var all []workload
	contestants := fioContestants(b)
	for _, p := range patterns {
		w := workload{
			name: p.name, title: fmt.Sprintf("%s, %d in flight", p.title, p.depth), unit: "op", reference: "librbd",
			quick: p.quick, prepare: func(ctx context.Context, b *bench) error { return b.prefill(ctx) },
		}
		for _, c := range contestants {
			if c.fits(p) && (c.quick || !b.quick) {
				w.contestants = append(w.contestants, c.contestant(p))
			}
		}
		all = append(all, w)
	}
	return all
}
