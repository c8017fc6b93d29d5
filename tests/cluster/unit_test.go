package cluster

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPoolName(t *testing.T) {
	for _, test := range []string{"TestX/a b", "Test/" + strings.Repeat("long", 40), "TestÜ"} {
		name := poolName(test)
		if strings.ContainsAny(name, "/ Ü") || len(name) > 60 || name == poolName(test) {
			t.Errorf("pool name of %q: %q", test, name)
		}
	}
}

// TestRemoveDir: what is not the cluster's stays.
func TestRemoveDir(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ceph.conf", "client.rbd.keyring", "thesis.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeDir(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "thesis.txt" {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := removeDir(filepath.Join(dir, "none")); err != nil {
		t.Errorf("folder that is not there: %v", err)
	}
}

// TestStartRefuses: neither a used folder nor a wrong number costs anybody a file.
func TestStartRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []Options{{Dir: dir}, {OSDs: -1}, {OSDSize: 1}} {
		if c, err := Start(t.Context(), opts); err == nil {
			t.Errorf("%+v: started", opts)
			_ = c.Close()
		}
	}
	if err := Hold(t.Context(), Options{Dir: dir}, nil); err == nil {
		t.Error("held a used folder")
	}
	if err := StopHolder(t.Context(), dir); err == nil {
		t.Error("stopped a folder without a cluster")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("folder afterwards: %v", entries)
	}
}

// TestStartFails: a daemon that does not come up ends the start, soon and with
// its own words, and nothing stays.
func TestStartFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	begin := time.Now()
	c, err := Start(t.Context(), Options{Dir: dir, Config: "[mon]\nmon_data = /dev/null/none\n"})
	if err == nil {
		_ = c.Close()
		t.Fatal("started")
	}
	if !strings.Contains(err.Error(), "ceph-mon") || time.Since(begin) > bootTime/2 {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	if exists(dir) {
		t.Error("the folder is still there")
	}
}

// TestHolderStale: the id of a process that does not hold the lock is not
// taken for the holder's.
func TestHolderStale(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, holderPID), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, err := Holder(dir); pid != 0 || err != nil {
		t.Errorf("Holder = %d, %v", pid, err)
	}
	f, err := lockPID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := Holder(dir); pid != os.Getpid() || err != nil {
		t.Errorf("Holder = %d, %v, want %d", pid, err, os.Getpid())
	}
	if _, err := lockPID(dir); err == nil {
		t.Error("two holders of one folder")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := StopHolder(t.Context(), dir); err != nil || exists(dir) {
		t.Errorf("StopHolder after the holder's death: %v", err)
	}
}

func TestParallel(t *testing.T) {
	broken := errors.New("broken")
	err := parallel(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { return broken },
	)
	if !errors.Is(err, broken) {
		t.Errorf("parallel = %v", err)
	}
	if err := parallel(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("parallel = %v", err)
	}
}

// TestClosed: a closed cluster answers, and does not hang.
func TestClosed(t *testing.T) {
	c := newCluster(filepath.Join(t.TempDir(), "none"), Options{Logger: slog.New(slog.DiscardHandler)})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.RBD(t.Context(), "ls"); !errors.Is(err, errClosed) {
		t.Errorf("rbd on a closed cluster: %v", err)
	}
}

func TestAborted(t *testing.T) {
	for script, want := range map[string]bool{"kill -ABRT $$": true, "kill -KILL $$": false, "exit 134": false, "true": false} {
		if err := exec.Command("sh", "-c", script).Run(); aborted(err) != want {
			t.Errorf("%s: %v", script, err)
		}
	}
	if !asks([]string{"--pool", "rbd", "du", "vm1"}) || asks([]string{"rm", "vm1"}) {
		t.Error("what asks and what changes are mixed up")
	}
}
