package librbd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// ceph is the cluster of all tests of this package. Each has a pool of its own.
var ceph *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

// runTests runs the tests on a cluster of three OSDs, for erasure coding.
func runTests(m *testing.M) int {
	var err error
	ceph, err = cluster.FromEnv(context.Background(), cluster.Options{OSDs: 3})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer ceph.Close()
	return m.Run()
}

// newPool makes a pool on the cluster and connects to it. The test runs beside
// others from here on: making pools is mostly waiting.
func newPool(t *testing.T, change ...func(*Config)) *Pool {
	t.Helper()
	t.Parallel()
	return connect(t, ceph.Pool(t), change...)
}

// connect connects to a pool that there is.
func connect(t *testing.T, pool string, change ...func(*Config)) *Pool {
	t.Helper()
	cfg := Config{Conf: ceph.Conf(), Name: cluster.RBD, Pool: pool, Logger: testLog(t)}
	for _, c := range change {
		c(&cfg)
	}
	p, err := Connect(cfg)
	if err != nil {
		t.Fatalf("connect to pool %q: %v", pool, err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// testLog logs into the test's output.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// rbdCommand runs the rbd command as administrator.
func rbdCommand(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := ceph.RBD(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// cephCommand runs the ceph command as administrator.
func cephCommand(t *testing.T, args ...string) string {
	t.Helper()
	out, err := ceph.Ceph(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErrno fails the test unless err is want.
func wantErrno(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// cleanPool removes a pool when a test is over, whose context has ended.
func cleanPool(t *testing.T, name string) {
	if err := ceph.RemovePool(context.Background(), name); err != nil {
		t.Error(err)
	}
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for 30 s: %s", what)
		}
	}
}
