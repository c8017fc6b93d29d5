package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// opens is how many files are opened in a run, at least.
const opens = 500

// openWorkloads open files and close them again.
func openWorkloads(b *bench) []workload {
	return []workload{{
		name: "open-stat-close", title: "open, stat and close a file", unit: "file", quick: true,
		contestants: []contestant{
			{"rbdfs", on((*bench).inUse, openMount)},
			{"memory", openMemory},
		},
	}}
}

// openMount opens images one by one.
func openMount(ctx context.Context, b *bench, p pool) (s sample, err error) {
	err = b.mountedAs(ctx, p.space, func(m *mounting) (err error) {
		s, err = b.openAll(ctx, m.daemon, func(i int) string { return m.path(imageName(i % p.images)) })
		return err
	})
	return s, err
}

// openMemory opens the one file of the memory file system.
func openMemory(ctx context.Context, b *bench) (s sample, err error) {
	image, err := serveMemory(ctx, b)
	if err != nil {
		return s, err
	}
	s, err = b.openAll(ctx, image.daemon, func(int) string { return image.path })
	return s, errors.Join(err, image.stop())
}

// openAll opens, stats and closes files, from this process.
func (b *bench) openAll(ctx context.Context, daemon *process, path func(i int) string) (sample, error) {
	before, err := usageOf(daemon.pid())
	if err != nil {
		return sample{}, err
	}
	own := ownCPU()
	took := make([]time.Duration, 0, opens)
	for i := range opens {
		began := time.Now()
		if err := openStatClose(path(i)); err != nil {
			return sample{}, err
		}
		took = append(took, time.Since(began))
		if ctx.Err() != nil {
			return sample{}, context.Cause(ctx)
		}
	}
	own = ownCPU() - own
	after, err := usageOf(daemon.pid())
	if err != nil {
		return sample{}, err
	}
	s := latencies(took)
	s.CPU = micros(own+after.cpu-before.cpu) / opens
	s.RSS, s.Threads = after.peak, after.threads
	return s, nil
}

// latencies is the sample of single operations, one after the other.
func latencies(took []time.Duration) sample {
	var total time.Duration
	for _, d := range took {
		total += d
	}
	s := work(float64(len(took)), total)
	s.Mean = micros(total) / float64(len(took))
	sorted := slices.Sorted(slices.Values(took))
	s.P99 = micros(sorted[len(sorted)*99/100])
	return s
}

// openStatClose is what a program does that looks at a file.
func openStatClose(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Stat()
	return err
}

// writeBlock writes some random data to the beginning of a file that is there.
func writeBlock(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	_, _ = rand.Read(block) // never fails
	_, err = f.Write(block)
	return errors.Join(err, f.Close())
}

// busyWorkloads write to many images at once, and look at the memory.
func busyWorkloads(b *bench) []workload {
	return []workload{{
		name: "busy", title: fmt.Sprintf("%d images open at once, 64k random writes, 1 in flight each", b.opened), unit: "op", quick: true,
		contestants: []contestant{{"rbdfs", func(ctx context.Context, b *bench) (sample, error) { return b.busy(ctx, b.opened) }}},
	}}
}

// busy has fio write to many images of a new mount.
func (b *bench) busy(ctx context.Context, images int) (s sample, err error) {
	space, err := b.space(ctx, "busy", max(b.opened, images), 1<<30)
	if err != nil {
		return s, err
	}
	err = b.mountedAs(ctx, space, func(m *mounting) (err error) {
		args := append(asynchronous("libaio")(1), "--rw=randwrite", "--bs=64k", "--size=64M")
		for i := range images {
			args = append(args, "--name="+imageName(i), "--filename="+m.path(imageName(i)))
		}
		s, err = b.measureFio(ctx, m.daemon, nil, args...)
		s.Files = filesOf(m.daemon.pid())
		return err
	})
	return s, err
}
