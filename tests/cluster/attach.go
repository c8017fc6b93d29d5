package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// EnvConf names the ceph.conf of an existing Ceph that the tests use
	// instead of starting one. Its client.admin must find a keyring through it.
	EnvConf = "RBDFS_TEST_CONF"
	// EnvCluster names the folder of a cluster that "cephdev" started, for all
	// test packages to share.
	EnvCluster = "RBDFS_TEST_CLUSTER"
)

// Attach uses the cluster that another process started in dir.
func Attach(ctx context.Context, dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if !isOurs(dir) {
		return nil, fmt.Errorf("attach to cluster: %q has none", dir)
	}
	return FromConf(ctx, confPath(dir))
}

// FromConf uses an existing Ceph through its ceph.conf, as client.admin.
func FromConf(ctx context.Context, conf string) (*Cluster, error) {
	conf, err := filepath.Abs(conf)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(conf); err != nil {
		return nil, fmt.Errorf("existing cluster: %w", err)
	}
	c := &Cluster{conf: conf, log: slog.New(slog.DiscardHandler), spawn: newSpawner()}
	out, err := c.Ceph(ctx, "--connect-timeout", "30", "osd", "ls")
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("existing cluster of %q: %w", conf, err)
	}
	c.osds = len(strings.Fields(out))
	return c, nil
}

// FromEnv gives the cluster that the environment names, EnvConf before
// EnvCluster, or else a new one. A shared cluster with fewer OSDs than opts
// asks for does not count. It is for TestMain; the caller must Close it.
func FromEnv(ctx context.Context, opts Options) (*Cluster, error) {
	var c *Cluster
	var err error
	if conf := os.Getenv(EnvConf); conf != "" {
		c, err = FromConf(ctx, conf)
	} else if dir := os.Getenv(EnvCluster); dir != "" {
		c, err = Attach(ctx, dir)
	} else {
		return Start(ctx, opts)
	}
	if err != nil || c.OSDs() >= opts.OSDs {
		return c, err
	}
	_ = c.Close()
	return Start(ctx, opts)
}

// ForTest is FromEnv for one test, or for the subtests of one.
func ForTest(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	return cleanedUp(tb, FromEnv, opts)
}

// Own starts a cluster for this test alone, whose daemons it may stop, unless
// the tests are to run on an existing Ceph: then the test is skipped.
func Own(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	if os.Getenv(EnvConf) != "" {
		tb.Skipf("needs a cluster whose daemons it may stop, and %s names an existing one", EnvConf)
	}
	return cleanedUp(tb, Start, opts)
}

// cleanedUp makes a cluster that ends with the test. The folder is not the
// test's own, whose long name leaves no room for the admin sockets.
func cleanedUp(tb testing.TB, from func(context.Context, Options) (*Cluster, error), opts Options) *Cluster {
	tb.Helper()
	c, err := from(tb.Context(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}
