package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pool is a namespace with so many images of batch.py.
type pool struct {
	space  string // POOL/NAMESPACE
	images int
}

// task is what is done with a pool.
type task func(ctx context.Context, b *bench, p pool) (sample, error)

// on does a task on a pool, which is made when it is not there.
func on(make func(*bench, context.Context) (pool, error), do task) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		p, err := make(b, ctx)
		if err != nil {
			return sample{}, err
		}
		return do(ctx, b, p)
	}
}

// listWorkloads list pools with many images.
func listWorkloads(b *bench) []workload {
	all := strconv.Itoa(b.images)
	return []workload{{
		name: "ls-cold", title: "ls -l of " + all + " images", unit: "image", reference: "rbd ls -l", quick: true,
		contestants: []contestant{
			{"rbd ls -l", on((*bench).listed, listByRBD("rbd", "ls", "-l"))},
			{"rbdfs", on((*bench).listed, listMount(0, "ls", "-l"))},
		},
	}, {
		name: "ls-again", title: "ls -l of " + all + " images, a second one", unit: "image", quick: true,
		contestants: []contestant{{"rbdfs", on((*bench).listed, listMount(1, "ls", "-l"))}},
	}, {
		name: "ls-names", title: "ls of " + all + " images, names alone", unit: "image", reference: "rbd ls",
		contestants: []contestant{
			{"rbd ls", on((*bench).listed, listByRBD("rbd", "ls"))},
			{"rbdfs", on((*bench).listed, listMount(0, "ls"))},
		},
	}, {
		name: "du", title: fmt.Sprintf("du of %d images", b.used), unit: "image", reference: "rbd du", quick: true,
		contestants: []contestant{
			{"rbd du", on((*bench).inUse, listByRBD("rbd", "du"))},
			{"rbdfs", on((*bench).inUse, listMount(0, "du", "-a"))},
		},
	}}
}

// listed is the pool to list: empty images of 1 GiB.
func (b *bench) listed(ctx context.Context) (pool, error) {
	space, err := b.space(ctx, "list", b.images, 1<<30)
	return pool{space, b.images}, err
}

// inUse is the pool whose images hold data, one object each.
func (b *bench) inUse(ctx context.Context) (pool, error) {
	space, err := b.space(ctx, "du", b.used, 1<<30)
	p := pool{space, b.used}
	if err != nil || b.filled {
		return p, err
	}
	b.filled = true
	return p, b.mountedAs(ctx, space, func(m *mounting) error {
		return inParallel(b.used, 16, func(i int) error { return writeBlock(m.path(imageName(i))) })
	})
}

// listByRBD lists by a command of librbd's.
func listByRBD(argv ...string) task {
	return func(ctx context.Context, b *bench, p pool) (sample, error) {
		return b.timedList(ctx, nil, listedName, p.images, p.by(argv)...)
	}
}

// by is a command of librbd's on the pool.
func (p pool) by(argv []string) []string {
	pool, namespace, _ := strings.Cut(p.space, "/")
	return append(slices.Clone(argv), "--pool", pool, "--namespace", namespace)
}

// listMount lists by a command on a new mount, after some times that do not
// count.
func listMount(before int, argv ...string) task {
	return func(ctx context.Context, b *bench, p pool) (s sample, err error) {
		err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
			for range before + 1 {
				if s, err = b.timedList(ctx, m.daemon, listedName, p.images, append(argv, m.dir)...); err != nil {
					return err
				}
			}
			return nil
		})
		return s, err
	}
}

// What batch.py calls images and snapshots.
var (
	listedName = regexp.MustCompile(`\bi[0-9]{5}\b`)
	snapName   = regexp.MustCompile(`\bs[0-9]{3}\b`)
)

// timedList times a listing, and counts the names in it.
func (b *bench) timedList(ctx context.Context, daemon *process, name *regexp.Regexp, want int, argv ...string) (sample, error) {
	s, out, err := b.timedOutput(ctx, daemon, float64(want), argv...)
	if err != nil {
		return s, err
	}
	if n := len(name.FindAllString(out, -1)); n != want {
		err = fmt.Errorf("%q lists %d of %d", argv, n, want)
	}
	return s, err
}
