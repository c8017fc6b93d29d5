package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"slices"
)

// verifySize is how much of the image is written and read back, in bytes.
const verifySize = 16 << 20

// verify checks, once for each contestant, that it reads what librbd has written
// and writes what librbd reads. The patterns are new each time, and have each
// block's place in them. The memory file system has an image of its own: it only
// reads what it has written.
func (b *bench) verify(ctx context.Context, c fioContestant) error {
	if b.verified[c.name] {
		return nil
	}
	log.Printf("checking the data of %s", c.name)
	alone := c.name == "memory"
	first, second := newStamp(), newStamp()
	if !alone {
		if err := b.stamp(ctx, librbd, first, "--rw=write", "--do_verify=0"); err != nil {
			return err
		}
		if err := b.stamp(ctx, c, first, "--rw=read"); err != nil {
			return err
		}
	}
	if err := b.stamp(ctx, c, second, "--rw=write", "--do_verify=1"); err != nil {
		return err
	}
	if !alone {
		if err := b.stamp(ctx, librbd, second, "--rw=read"); err != nil {
			return err
		}
	}
	b.verified[c.name] = true
	return nil
}

// newStamp is a pattern for fio: 8 random bytes and each block's offset (%o).
func newStamp() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("0x%x%%o", random)
}

// stamp writes the pattern to the image's beginning, or reads it there, and
// fails where something else is found.
func (b *bench) stamp(ctx context.Context, c fioContestant, pattern string, args ...string) error {
	return b.with(ctx, c, func(image *served) error {
		_, err := b.fio(ctx, image.target, slices.Concat(args, c.engine(4), stampArgs(pattern))...)
		return err
	})
}

// stampArgs make fio compare with the pattern.
func stampArgs(pattern string) []string {
	return []string{
		"--name=verify", "--bs=64k", fmt.Sprintf("--io_size=%d", verifySize), "--numjobs=1",
		"--verify=pattern", "--verify_pattern=" + pattern, "--verify_fatal=1", "--verify_state_save=0",
	}
}
