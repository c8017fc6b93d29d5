package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// content is a file to copy.
type content struct {
	name, title string
	size, data  int64
}

// contents are a dense file and one with holes.
func contents(b *bench) []content {
	return []content{
		{"sparse", fmt.Sprintf("%d MiB with %d MiB of data", b.sparse>>20, b.sparseData>>20), b.sparse, b.sparseData},
		{"dense", fmt.Sprintf("%d MiB", b.dense>>20), b.dense, b.dense},
	}
}

// mib is the size of the data in MiB.
func (c content) mib() float64 { return float64(c.data) / (1 << 20) }

// source is the ordinary file.
func (c content) source(b *bench) string { return b.path("source-" + c.name) }

// makeSource makes the ordinary file, in the page cache since it is new.
func (c content) makeSource(_ context.Context, b *bench) error {
	if _, err := os.Stat(c.source(b)); err == nil {
		return nil
	}
	return sparseFile(c.source(b), c.size, c.data)
}

// makeImage makes an image of the same bytes.
func (c content) makeImage(ctx context.Context, b *bench) error {
	if err := c.makeSource(ctx, b); err != nil {
		return err
	}
	_, err := b.command(ctx, "rbd", "import", "--no-progress", c.source(b), b.pool+"/"+c.image(b))
	return err
}

// image is the name of that image.
func (c content) image(b *bench) string { return b.image + "-" + c.name }

// removeImage removes it.
func (c content) removeImage(ctx context.Context, b *bench) error {
	return b.remove(ctx, b.pool, c.image(b))
}

// removeSource removes the ordinary file.
func (c content) removeSource(_ context.Context, b *bench) error { return os.Remove(c.source(b)) }

// copyWorkloads copy files into new images, and images into new files.
func copyWorkloads(b *bench) []workload {
	var in, out []workload
	for _, c := range contents(b) {
		in, out = append(in, c.copyIn()), append(out, c.copyOut())
	}
	return append(in, out...)
}

// copyIn copies the file into a new image.
func (c content) copyIn() workload {
	return workload{
		name: "cp-in-" + c.name, title: "cp of a file into a new image, " + c.name + ", " + c.title, unit: "MiB",
		reference: "rbd import", quick: true, prepare: c.makeSource, finish: c.removeSource,
		contestants: []contestant{
			{"rbd import", c.intoImage("rbd", "import", "--no-progress")},
			{"rbdfs", c.intoMount("cp")},
		},
	}
}

// copyOut copies an image into a new file: all data by everything that reads a
// file from end to end, holes by what looks for them.
func (c content) copyOut() workload {
	w := workload{
		name: "cp-out-" + c.name, title: "an image into a new file, " + c.name + ", " + c.title, unit: "MiB",
		reference: "rbd export", quick: true, prepare: c.makeImage,
		finish: func(ctx context.Context, b *bench) error {
			return errors.Join(c.removeImage(ctx, b), c.removeSource(ctx, b))
		},
		contestants: []contestant{{"rbd export", c.fromImage}, {"rbdfs cp", c.fromMount(cp)}},
	}
	if c.size == c.data {
		w.contestants = append(w.contestants, contestant{"rbdfs dd", c.fromMount(dd)}, contestant{"rbdfs tar", c.fromMount(tar)})
	}
	return w
}

// Commands that read a file.
func cp(from, to string) []string { return []string{"cp", from, to} }

func dd(from, to string) []string {
	return []string{"dd", "bs=1M", "status=none", "if=" + from, "of=" + to}
}

func tar(from, to string) []string {
	return []string{"tar", "-cf", to, "-C", filepath.Dir(from), filepath.Base(from)}
}

// newImage is what files are copied to.
func (b *bench) newImage() string { return b.image + "-new" }

// intoImage copies by a command of librbd's, and checks and removes the image.
func (c content) intoImage(argv ...string) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		to := b.pool + "/" + b.newImage()
		s, err := b.timed(ctx, nil, c.mib(), append(argv, c.source(b), to)...)
		return s, errors.Join(err, c.check(ctx, b), b.remove(ctx, b.pool, b.newImage()))
	}
}

// intoMount copies by a command to a path, and checks and removes the image.
func (c content) intoMount(argv ...string) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (s sample, err error) {
		err = b.mountedAs(ctx, b.pool, func(m *mounting) (err error) {
			s, err = b.timed(ctx, m.daemon, c.mib(), append(argv, c.source(b), m.path(b.newImage()))...)
			return err
		})
		return s, errors.Join(err, c.check(ctx, b), b.remove(ctx, b.pool, b.newImage()))
	}
}

// check compares the new image, as librbd reads it, with the file.
func (c content) check(ctx context.Context, b *bench) error {
	_, err := b.command(ctx, "sh", "-c", `rbd export --no-progress "$1" - | cmp - "$2"`, "sh", b.pool+"/"+b.newImage(), c.source(b))
	return err
}

// fromImage is "rbd export", which has several reads under way only to a file.
func (c content) fromImage(ctx context.Context, b *bench) (sample, error) {
	to := b.path("exported")
	defer os.Remove(to)
	s, err := b.timed(ctx, nil, c.mib(), "rbd", "export", "--no-progress", b.pool+"/"+c.image(b), to)
	if err != nil {
		return s, err
	}
	_, err = b.command(ctx, "cmp", to, c.source(b))
	return s, err
}

// fromMount copies by a command from a path.
func (c content) fromMount(argv func(from, to string) []string) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (s sample, err error) {
		to := b.path("copied")
		defer os.Remove(to)
		err = b.mountedAs(ctx, b.pool, func(m *mounting) (err error) {
			s, err = b.timed(ctx, m.daemon, c.mib(), argv(m.path(c.image(b)), to)...)
			return err
		})
		if err != nil {
			return s, err
		}
		return s, c.compare(ctx, b, to)
	}
}

// compare compares a copy with the file; of a tar archive what is in it.
func (c content) compare(ctx context.Context, b *bench, copied string) error {
	_, err := b.command(ctx, "sh", "-c", `cmp "$1" "$2" || tar -xOf "$1" | cmp - "$2"`, "sh", copied, c.source(b))
	return err
}

// mountedAs mounts a pool with rbdfs for as long as use takes.
func (b *bench) mountedAs(ctx context.Context, pool string, use func(*mounting) error) error {
	m, err := rbdfsMount{}.mount(ctx, b, pool)
	if err != nil {
		return err
	}
	return errors.Join(use(m), m.stop())
}
