package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCluster walks through what tests use a cluster for, on one of three OSDs.
func TestCluster(t *testing.T) {
	c := Own(t, Options{OSDs: 3})
	t.Run("health", func(t *testing.T) { testHealth(t, c) })
	t.Run("snapshot", func(t *testing.T) { testSnapshot(t, c) })
	t.Run("users", func(t *testing.T) { testUsers(t, c) })
	t.Run("user of a namespace", func(t *testing.T) { testNamespaceUser(t, c) })
	t.Run("erasure-coded data pool", func(t *testing.T) { testECPool(t, c) })
	t.Run("shared", func(t *testing.T) { testShared(t, c) })
	t.Run("existing", func(t *testing.T) { testExisting(t, c) })
	t.Run("blocklist", func(t *testing.T) { testBlocklist(t, c) })
	t.Run("stop and start", func(t *testing.T) { testStopStart(t, c) })
	t.Run("pause and resume", func(t *testing.T) { testPause(t, c) })
}

// rbd runs the command and fails the test if it fails.
func rbd(t *testing.T, c *Cluster, args ...string) string {
	t.Helper()
	out, err := c.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// testHealth: a warning of the setup's own would hide one that a test causes.
func testHealth(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// Debian 13's Python refuses to load bcrypt for several modules (PyO3 issue
	// 576), so most of the manager's modules are away. Nothing here needs them.
	if _, err := c.Ceph(ctx, "health", "mute", "MGR_MODULE_DEPENDENCY", "--sticky"); err != nil {
		t.Error(err)
	}
	err := poll(ctx, "HEALTH_OK", func(ctx context.Context) (bool, error) {
		out, err := c.Ceph(ctx, "health", "detail")
		t.Log(strings.TrimSpace(out))
		return strings.HasPrefix(out, "HEALTH_OK"), err
	})
	if err != nil {
		t.Error(err)
	}
}

func testSnapshot(t *testing.T, c *Cluster) {
	pool := c.Pool(t)
	rbd(t, c, "create", pool+"/vm1", "--size", "1G")
	begin := time.Now()
	rbd(t, c, "snap", "create", pool+"/vm1@monday", "--no-progress")
	// 0.1 s here; with Ceph's own paxos_propose_interval it takes 1 s or more.
	if took := time.Since(begin); took > time.Second {
		t.Logf("snapshot took %v", took)
	}
	if out := rbd(t, c, "snap", "ls", pool+"/vm1"); !strings.Contains(out, "monday") {
		t.Errorf("rbd snap ls: %s", out)
	}
}

func testUsers(t *testing.T, c *Cluster) {
	ctx, user := t.Context(), func(name string) string { return strings.TrimPrefix(name, "client.") }
	for _, tc := range []struct {
		user, spec string
		write      bool
	}{
		{Admin, "rbd/a-admin", true},
		{RBD, "rbd/a-rbd", true},
		{RBDReadOnly, "rbd/a-ro", false},
		{RBDNamespace, "rbd/ns1/a-ns", true},
		{RBDNamespace, "rbd/a-ns", false},
	} {
		_, err := c.RBD(ctx, "--id", user(tc.user), "create", tc.spec, "--size", "1M")
		if (err == nil) != tc.write {
			t.Errorf("%s creates %s: %v", tc.user, tc.spec, err)
		}
		if !exists(c.Keyring(tc.user)) {
			t.Errorf("%s has no keyring", tc.user)
		}
	}
	if out := rbd(t, c, "--id", user(RBDReadOnly), "ls", "rbd"); !strings.Contains(out, "a-rbd") {
		t.Errorf("%s lists %q", RBDReadOnly, out)
	}
	if out, err := c.RBD(ctx, "--id", user(RBDNamespace), "ls", "rbd"); err == nil {
		t.Errorf("%s lists the pool beside its namespace: %q", RBDNamespace, out)
	}
}

func testNamespaceUser(t *testing.T, c *Cluster) {
	ctx, pool := t.Context(), c.Pool(t)
	rbd(t, c, "namespace", "create", pool+"/tenant")
	user, err := c.CreateUser(ctx, ReadWriteCaps("pool="+pool+" namespace=tenant")...)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(user, "client.")
	rbd(t, c, "--id", id, "create", pool+"/tenant/vm1", "--size", "1M")
	if _, err := c.RBD(ctx, "--id", id, "create", pool+"/vm1", "--size", "1M"); err == nil {
		t.Errorf("%s created an image beside its namespace", user)
	}
}

func testECPool(t *testing.T, c *Cluster) {
	pool := c.Pool(t)
	if err := c.CreateECPool(t.Context(), pool+"-data", 2, 1); err != nil {
		t.Fatal(err)
	}
	rbd(t, c, "create", pool+"/vm1", "--size", "64M", "--data-pool", pool+"-data")
	rbd(t, c, "bench", "--io-type", "write", "--io-size", "64K", "--io-total", "1M", pool+"/vm1")
	if err := c.CreateECPool(t.Context(), "wide", 4, 2); err == nil {
		t.Error("4+2 chunks on 3 OSDs: no error")
	}
}

// testShared attaches as another test package does.
func testShared(t *testing.T, c *Cluster) {
	t.Setenv(EnvCluster, c.Dir())
	other := ForTest(t, Options{OSDs: 3})
	if other.Conf() != c.Conf() || other.Owned() || other.OSDs() != 3 {
		t.Errorf("not the shared cluster: %q, owned %v, %d OSDs", other.Conf(), other.Owned(), other.OSDs())
	}
	if err := other.StopDaemon(t.Context(), "osd.0"); !errors.Is(err, ErrNotOwner) {
		t.Errorf("StopDaemon on another's cluster: %v", err)
	}
	user, err := other.CreateUser(t.Context(), ReadWriteCaps("")...)
	if err != nil {
		t.Fatal(err)
	}
	rbd(t, other, "--id", strings.TrimPrefix(user, "client."), "ls", c.Pool(t))
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if !exists(c.Keyring(user)) {
		t.Errorf("keyring of %s went with the one who made it", user)
	}
	rbd(t, c, "ls", "rbd")
}

// testExisting uses the cluster by a ceph.conf elsewhere, as that of a Ceph that
// is not ours.
func testExisting(t *testing.T, c *Cluster) {
	data, err := os.ReadFile(c.Conf())
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "ceph.conf")
	if err := os.WriteFile(conf, data, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvConf, conf)
	other := ForTest(t, Options{})
	user, err := other.CreateUser(t.Context(), ReadWriteCaps("")...)
	if err != nil {
		t.Fatal(err)
	}
	keyring := other.Keyring(user)
	rbd(t, other, "--id", strings.TrimPrefix(user, "client."), "--keyring", keyring, "ls", c.Pool(t))
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if exists(keyring) || !exists(conf) {
		t.Error("Close left its keyring, or took the ceph.conf")
	}
}

func testBlocklist(t *testing.T, c *Cluster) {
	const addr = "127.0.0.1:0/4711"
	if _, err := c.Ceph(t.Context(), "osd", "blocklist", "add", addr); err != nil {
		t.Fatal(err)
	}
	out, err := c.Ceph(t.Context(), "osd", "blocklist", "ls")
	if err != nil || !strings.Contains(out, addr) {
		t.Errorf("osd blocklist ls: %q, %v", out, err)
	}
}

func testStopStart(t *testing.T, c *Cluster) {
	ctx := t.Context()
	for _, name := range c.Daemons() {
		stop := c.StopDaemon
		if name == "osd.1" {
			stop = c.KillDaemon
		}
		if err := stop(ctx, name); err != nil {
			t.Fatal(err)
		}
		if c.PID(name) != 0 {
			t.Errorf("%s has a process after its stop", name)
		}
		if err := stop(ctx, name); err == nil {
			t.Errorf("%s: a second stop is no error", name)
		}
		if err := c.StartDaemon(ctx, name); err != nil {
			t.Fatal(err)
		}
		if err := c.StartDaemon(ctx, name); err == nil {
			t.Errorf("%s: a second start is no error", name)
		}
	}
	rbd(t, c, "create", "rbd/after", "--size", "1M")
}

func testPause(t *testing.T, c *Cluster) {
	if err := c.PauseDaemon("mon.a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Ceph(ctx, "mon", "stat"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ceph with a frozen monitor: %v", err)
	}
	if err := c.ResumeDaemon("mon.a"); err != nil {
		t.Fatal(err)
	}
	rbd(t, c, "ls", "rbd")
	if err := c.PauseDaemon("osd.0"); err != nil {
		t.Fatal(err)
	}
	if err := c.StopDaemon(t.Context(), "osd.0"); err != nil {
		t.Errorf("stop of a frozen daemon: %v", err)
	}
}
