package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pollInterval is how often a state is asked for that nothing announces. The
// ceph command takes 0.2 s of a core, so asking more often delays the answer.
const pollInterval = 100 * time.Millisecond

// boot brings the cluster up. Formatting the OSDs and starting the monitor need
// nothing of each other, nor do the manager and the pool; on two cores that
// halves the time.
func (c *Cluster) boot(ctx context.Context, opts Options) error {
	uuids := make([]string, opts.OSDs)
	for i := range uuids {
		uuids[i] = newUUID()
	}
	if err := c.writeFiles(ctx, opts); err != nil {
		return err
	}
	format := func(ctx context.Context) error { return c.formatOSDs(ctx, uuids, opts.OSDSize) }
	first := func(ctx context.Context) error { return c.bootMon(ctx, uuids) }
	if err := parallel(ctx, format, first); err != nil {
		return err
	}
	for i := range uuids {
		if err := c.daemons[osdName(i)].start(); err != nil {
			return err
		}
	}
	return parallel(ctx, c.bootPool, c.waitManager)
}

// writeFiles makes the folders, ceph.conf, the keyrings and the first monmap.
func (c *Cluster) writeFiles(ctx context.Context, opts Options) error {
	for name := range c.daemons {
		if err := os.Mkdir(filepath.Join(c.Dir(), name), 0o755); err != nil {
			return err
		}
	}
	for _, sub := range []string{"log", "run"} {
		if err := os.Mkdir(filepath.Join(c.Dir(), sub), 0o755); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	err = writeConf(confValues{
		Dir: c.Dir(), FSID: c.fsid, MonPort: port, OSDSize: opts.OSDSize,
		Config: opts.Config,
	})
	if err != nil {
		return err
	}
	list := entities(opts.OSDs)
	if err := c.makeKeys(ctx, list); err != nil {
		return err
	}
	if err := writeKeyrings(c.Dir(), list); err != nil {
		return err
	}
	addr := fmt.Sprintf("[v2:127.0.0.1:%d]", port)
	_, err = c.run(ctx, "monmaptool", "--create", "--fsid", c.fsid, "--addv", "a", addr, c.monmap())
	return err
}

// monmap is the map that the daemons' file systems are made with.
func (c *Cluster) monmap() string { return filepath.Join(c.Dir(), "monmap") }

// formatOSDs makes the OSDs' sparse files and the stores in them.
func (c *Cluster) formatOSDs(ctx context.Context, uuids []string, size int64) error {
	fns := make([]func(context.Context) error, len(uuids))
	for i, uuid := range uuids {
		fns[i] = func(ctx context.Context) error { return c.formatOSD(ctx, i, uuid, size) }
	}
	return parallel(ctx, fns...)
}

// formatOSD makes one OSD's store; it needs no monitor.
func (c *Cluster) formatOSD(ctx context.Context, id int, uuid string, size int64) error {
	block := filepath.Join(c.Dir(), osdName(id), "block")
	f, err := os.OpenFile(block, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("sparse file %q: %w", block, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = c.run(ctx, "ceph-osd", "--conf", c.conf, "--mkfs", "-i", fmt.Sprint(id),
		"--osd-uuid", uuid, "--monmap", c.monmap(), "--no-mon-config")
	return err
}

// bootMon starts the monitor, gives it the OSDs' names, makes the pool that
// they will hold, and starts the manager.
func (c *Cluster) bootMon(ctx context.Context, uuids []string) error {
	_, err := c.run(ctx, "ceph-mon", "--conf", c.conf, "--mkfs", "-i", "a",
		"--monmap", c.monmap(), "--keyring", initialKeyring(c.Dir()))
	if err != nil {
		return err
	}
	mon := c.daemons["mon.a"]
	if err := mon.start(); err != nil {
		return err
	}
	ctx, cancel := mon.watch(ctx)
	defer cancel()
	// Device monitoring would make a pool for its numbers. Only a manager that
	// has run knows its modules' options, hence the force.
	_, err = c.Ceph(ctx, "config", "set", "mgr", "mgr/devicehealth/enable_monitoring", "false", "--force")
	if err != nil {
		return err
	}
	for i, uuid := range uuids {
		if _, err := c.Ceph(ctx, "osd", "new", uuid, fmt.Sprint(i)); err != nil {
			return err
		}
	}
	return c.daemons["mgr.x"].start()
}

// bootPool makes DefaultPool once the OSDs are up. "rbd pool init" writes an
// object, so it returns only when the pool's placement groups are active; but
// a client whose request found no OSD looks again after 5 s
// (objecter_tick_interval), which would double the time of the start.
func (c *Cluster) bootPool(ctx context.Context) error {
	if err := c.waitOSDs(ctx); err != nil {
		return err
	}
	if err := c.CreatePool(ctx, DefaultPool); err != nil {
		return err
	}
	_, err := c.RBD(ctx, "namespace", "create", DefaultPool+"/"+Namespace)
	return err
}

// waitOSDs waits until the monitor has every OSD as up.
func (c *Cluster) waitOSDs(ctx context.Context) error {
	for i := range c.osds {
		if err := c.waitUp(ctx, osdName(i)); err != nil {
			return err
		}
	}
	return nil
}

// waitManager waits until the manager is the active one and has counted the
// pools, so that "ceph df" and "ceph status" mean what they say.
func (c *Cluster) waitManager(ctx context.Context) error {
	if err := c.waitUp(ctx, "mgr.x"); err != nil {
		return err
	}
	_, err := c.Ceph(ctx, "pg", "stat")
	return err
}

// waitUp waits until the monitor says that the daemon is up, or the daemon ends.
func (c *Cluster) waitUp(ctx context.Context, name string) error {
	ctx, cancel := c.daemons[name].watch(ctx)
	defer cancel()
	kind, id, _ := strings.Cut(name, ".")
	return poll(ctx, name+" to be up", func(ctx context.Context) (bool, error) {
		switch kind {
		case "osd":
			out, err := c.Ceph(ctx, "osd", "info", id)
			return strings.Contains(out, " up "), err
		case "mgr":
			out, err := c.Ceph(ctx, "mgr", "stat", "--format=json")
			return strings.Contains(out, `"available":true`), err
		default:
			_, err := c.Ceph(ctx, "mon", "stat")
			return err == nil, err
		}
	})
}

// poll asks until the answer is yes, an error or the end of ctx.
func poll(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	for {
		yes, err := ask(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		}
		if yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollInterval):
		}
	}
}
