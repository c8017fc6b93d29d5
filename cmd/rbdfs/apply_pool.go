package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"rbdfs/rbdio"
	"rbdfs/snapshots"
)

// poolPrefix begins the name of an image that is not in a mount.
const poolPrefix = "rbd:"

// parseImageSpec parses rbd:POOL[/NAMESPACE]/IMAGE.
func parseImageSpec(s string) (pool poolSpec, image string, err error) {
	s = strings.TrimPrefix(s, poolPrefix)
	slash := strings.LastIndexByte(s, '/')
	if slash < 0 || slash == len(s)-1 || strings.Contains(s[slash:], "@") {
		return pool, "", fmt.Errorf("%q is not rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE", poolPrefix+s)
	}
	return pool, s[slash+1:], pool.UnmarshalText([]byte(s[:slash]))
}

// poolTarget opens an image of a pool that is not mounted, or makes it.
func (c *applyCmd) poolTarget(spec string, create bool, signals <-chan os.Signal, logger *slog.Logger) (*applyTarget, error) {
	place, image, err := parseImageSpec(spec)
	if err != nil {
		return nil, failf(exitUsage, "%v", err)
	}
	conn, err := connect(c.cephFlags.librbdConfig(place, logger), signals)
	if err != nil {
		return nil, err
	}
	pool := rbdio.Limit(conn, dataCalls, metaCalls)
	t, err := openPoolTarget(pool, image, create, logger)
	if err != nil {
		_, _ = within(killGrace, func() (struct{}, error) { return struct{}{}, pool.Close() })
		return nil, failf(exitApplyImage, "image %q cannot be opened for writing: %v", spec, err)
	}
	t.name = spec
	return t, nil
}

// openPoolTarget opens an image by its name.
func openPoolTarget(pool rbdio.Pool, image string, create bool, logger *slog.Logger) (*applyTarget, error) {
	made := false
	id, err := pool.Lookup(image)
	if errors.Is(err, syscall.ENOENT) && create {
		id, err = pool.Create(image)
		made = err == nil
	} else if err == nil {
		err = unwatched(pool, id)
	}
	if err != nil {
		return nil, err
	}
	target, opened, err := snapshots.PoolTarget(pool, id, snapshots.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	t := &applyTarget{Target: target}
	t.close = func() error { return errors.Join(opened.Close(), pool.Close()) }
	if made {
		t.discard = func() error {
			err := opened.Close()
			if err == nil {
				_, err = pool.Remove(image, time.Now())
			}
			if err == nil {
				err = pool.Purge(id, &rbdio.Progress{})
			}
			return errors.Join(err, pool.Close())
		}
	}
	return t, nil
}

// unwatched refuses an image that another client has open for writing, as rbd rm
// does.
func unwatched(pool rbdio.Pool, id string) error {
	d, err := pool.Describe(id)
	if err == nil && len(d.Watchers) > 0 {
		err = fmt.Errorf("it is in use by %s; close it there, and wait for half a minute where that was killed", strings.Join(d.Watchers, ", "))
	}
	return err
}
