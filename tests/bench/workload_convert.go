package main

import (
	"context"
	"errors"
)

// convertWorkloads are qemu-img into a path, against its own rbd driver.
func convertWorkloads(b *bench) []workload {
	c := contents(b)[0]
	argv := []string{"qemu-img", "convert", "-f", "raw", "-O", "raw", "-m", "16", "-W"}
	return []workload{{
		name: "convert", title: "qemu-img convert -m 16 -W into a new image, " + c.title, unit: "MiB",
		reference: "qemu-img rbd:", quick: true, prepare: c.makeSource, finish: c.removeSource,
		contestants: []contestant{
			{"qemu-img rbd:", func(ctx context.Context, b *bench) (sample, error) {
				to := "rbd:" + b.pool + "/" + b.newImage() + ":conf=" + b.ceph.Conf()
				s, err := b.timed(ctx, nil, c.mib(), append(argv, c.source(b), to)...)
				return s, errors.Join(err, c.check(ctx, b), b.remove(ctx, b.pool, b.newImage()))
			}},
			{"rbdfs", c.intoMount(argv...)},
		},
	}}
}
