package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// batch makes and removes many images in one process, in parallel: 10,000 rbd
// commands would take ten minutes to start, and rbdfs must not be measured on
// what only it has made.
//
//go:embed batch.py
var batch string

// prefill makes the image that fio runs on and fills it with random data.
func (b *bench) prefill(ctx context.Context) error {
	if b.prefilled {
		return nil
	}
	log.Printf("prefilling image %s/%s, %d MiB", b.pool, b.image, b.settings.image>>20)
	if _, err := b.ceph.RBD(ctx, "create", "--size", mib(b.settings.image), b.pool+"/"+b.image); err != nil {
		return err
	}
	args := append([]string{"--name=prefill", "--rw=write", "--bs=4M"}, librbdEngine(4)...)
	if _, err := b.fio(ctx, b.librbdArgs(), args...); err != nil {
		return err
	}
	b.prefilled = true
	return b.closed(ctx)
}

// mib is a size as the rbd command takes it.
func mib(size int64) string { return strconv.FormatInt(size>>20, 10) + "M" }

// closed waits until nobody has the image open any more, so that the next one
// need not wait for its lock.
func (b *bench) closed(ctx context.Context) error {
	return until(ctx, time.Minute, "image "+b.image+" to be closed", func() (bool, error) {
		out, err := b.ceph.RBD(ctx, "status", "--format", "json", b.pool+"/"+b.image)
		if err != nil {
			return false, err
		}
		var status struct{ Watchers []any }
		err = json.Unmarshal([]byte(out), &status)
		return len(status.Watchers) == 0, err
	})
}

// space makes a namespace with images in it, and returns POOL/NAMESPACE. They
// are called i00000 and so on.
func (b *bench) space(ctx context.Context, name string, images int, size int64) (string, error) {
	space := fmt.Sprintf("%s/%s-%s", b.pool, filepath.Base(b.dir), name)
	if slices.Contains(b.spaces, space) {
		return space, nil
	}
	if _, err := b.ceph.RBD(ctx, "namespace", "create", space); err != nil {
		return "", err
	}
	b.spaces = append(b.spaces, space)
	if images == 0 {
		return space, nil
	}
	log.Printf("making %d images in %s", images, space)
	return space, b.batch(ctx, "create", space, strconv.Itoa(images), strconv.FormatInt(size, 10))
}

// dropSpace removes a namespace and all images in it.
func (b *bench) dropSpace(ctx context.Context, space string) error {
	b.spaces = slices.DeleteFunc(b.spaces, func(s string) bool { return s == space })
	if err := b.batch(ctx, "remove", space); err != nil {
		return err
	}
	_, err := b.ceph.RBD(ctx, "namespace", "remove", space)
	return err
}

// batch runs batch.py. Ceph's Python modules are the distribution's, so its
// Python is.
func (b *bench) batch(ctx context.Context, args ...string) error {
	_, err := b.command(ctx, append([]string{"/usr/bin/python3", "-c", batch}, args...)...)
	return err
}

// remove removes an image.
func (b *bench) remove(ctx context.Context, pool, image string) error {
	_, err := b.ceph.RBD(ctx, "rm", "--no-progress", pool+"/"+image)
	return err
}

// imageName is that of the i-th image of space.
func imageName(i int) string { return fmt.Sprintf("i%05d", i) }
