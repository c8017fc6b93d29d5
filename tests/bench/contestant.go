package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// contestant is one way to do what a workload asks for.
type contestant struct {
	name string
	run  func(ctx context.Context, b *bench) (sample, error) // one measured run
}

// served is the image, as something serves it to fio.
type served struct {
	daemon *process // nil for librbd itself
	target []string // what fio is to open
	path   string   // the image's, unless librbd serves it
	stop   func() error
}

// fioContestant is a way to do I/O on the image.
type fioContestant struct {
	name   string
	serve  func(ctx context.Context, b *bench) (*served, error)
	engine func(depth int) []string
	fits   func(p pattern) bool
	quick  bool // whether -quick has it
}

// fioContestants are all of them, in the order of the tables.
func fioContestants(b *bench) []fioContestant {
	all := []fioContestant{librbd}
	for _, m := range b.mounts() {
		all = append(all, fioContestant{m.name, m.serve, asynchronous("libaio"), everything, len(m.args) == 0})
	}
	plain := rbdfsMount{name: "rbdfs"}
	return append(all,
		fioContestant{"rbdfs io_uring", plain.serve, asynchronous("io_uring"), everything, false},
		fioContestant{"rbdfs psync", plain.serve, threads, pattern.threaded, false},
		fioContestant{"rbdfs buffered", plain.serve, buffered, pattern.sequential, false},
		fioContestant{"qemu-storage-daemon", serveQemu, asynchronous("libaio"), everything, true},
		fioContestant{"rbd-fuse", serveRBDFuse, asynchronous("libaio"), everything, false},
		fioContestant{"memory", serveMemory, asynchronous("libaio"), everything, true},
	)
}

// librbd is what the others are compared with.
var librbd = fioContestant{"librbd", serveLibrbd, librbdEngine, everything, true}

// everything fits a contestant that takes every pattern.
func everything(pattern) bool { return true }

// asynchronous is O_DIRECT by an engine that has depth requests in flight.
func asynchronous(engine string) func(int) []string {
	return func(depth int) []string {
		return []string{"--ioengine=" + engine, "--direct=1", fmt.Sprintf("--iodepth=%d", depth)}
	}
}

// threads is O_DIRECT by depth threads, each with one request in flight.
func threads(depth int) []string {
	return []string{"--ioengine=psync", "--direct=1", fmt.Sprintf("--numjobs=%d", depth)}
}

// buffered is one thread, through the page cache.
func buffered(int) []string { return []string{"--ioengine=psync", "--direct=0"} }

// contestant runs the pattern in each of its turns.
func (c fioContestant) contestant(p pattern) contestant {
	run := func(ctx context.Context, b *bench) (sample, error) {
		if err := b.verify(ctx, c); err != nil {
			return sample{}, err
		}
		args := append([]string{"--name=" + p.name, "--rw=" + p.rw, "--bs=" + p.bs}, c.engine(p.depth)...)
		var s sample
		err := b.with(ctx, c, func(image *served) (err error) {
			s, err = b.measureFio(ctx, image.daemon, image.target, append(args, p.args...)...)
			return err
		})
		return s, err
	}
	return contestant{c.name, run}
}

// with serves the image for as long as use takes, and until nobody has it open.
func (b *bench) with(ctx context.Context, c fioContestant, use func(*served) error) error {
	image, err := c.serve(ctx, b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	err = errors.Join(use(image), image.stop())
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return b.closed(ctx)
}

// mountPoint makes a new directory to mount on.
func (b *bench) mountPoint() (string, error) { return os.MkdirTemp(b.dir, "mnt-") }

// onFile is what fio needs to know of an image that is a file.
func (b *bench) onFile(path string) []string {
	// A colon would separate file names.
	return []string{"--filename=" + strings.ReplaceAll(path, ":", `\:`), fmt.Sprintf("--size=%d", b.settings.image)}
}

// servedAt is an image that a daemon serves as a file.
func (b *bench) servedAt(path string, daemon *process, stop func() error) *served {
	return &served{daemon: daemon, target: b.onFile(path), path: path, stop: stop}
}

// chosen says whether the user wants a contestant to run.
func chosen(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
