package harness_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// envVictim makes this program mount, write the facts about the mount to the
// file that it names, and wait for its end.
const envVictim = "RBDFS_HARNESS_VICTIM"

var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) {
		env = e
		if path := os.Getenv(envVictim); path != "" {
			facts := strings.Join([]string{e.Mount.Dir, e.Pool}, "\n")
			if os.WriteFile(path+".new", []byte(facts), 0o600) == nil && os.Rename(path+".new", path) == nil {
				select {}
			}
		}
	})
}

func TestUnmountLeavesNothing(t *testing.T) {
	m := env.Start(t, harness.Options{})
	if err := os.WriteFile(m.Path("one"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.Path("one")); err != nil {
		t.Fatal(err)
	}
	if err := m.Unmount(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, m.Dir)
	if err := m.Exit(); err != nil {
		t.Error(err)
	}
}

func TestKillLeavesNothing(t *testing.T) {
	m := env.Start(t, harness.Options{})
	f, err := os.Create(m.Path("open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, m.Dir)
	if err := f.Sync(); err == nil {
		t.Error("a file of a killed mount still answers")
	}
}

func TestWatcherIsALeak(t *testing.T) {
	m := env.Start(t, harness.Options{})
	f, err := os.Create(m.Path("watched"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := m.CheckLeaks(ctx); err == nil || !strings.Contains(err.Error(), "watcher") {
		t.Errorf("an open image is no leak: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := m.CheckLeaks(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(m.Path("watched")); err != nil {
		t.Error(err)
	}
}

// TestExpectLog needs a warning: unlinking an image that has a snapshot.
func TestExpectLog(t *testing.T) {
	m := env.Start(t, harness.Options{})
	m.ExpectLog(t, `level=WARN.*snapped.*snapshot`)
	if err := os.WriteFile(m.Path("snapped"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := env.Pool + "/snapped@s"
	if _, err := env.Cluster.RBD(t.Context(), "snap", "create", "--no-progress", spec); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.Path("snapped")); err == nil {
		t.Error("an image with a snapshot was removed")
	}
	m.WaitLog(t, `snapped`)
	if _, err := env.Cluster.RBD(t.Context(), "snap", "rm", "--no-progress", spec); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.Path("snapped")); err != nil {
		t.Error(err)
	}
}

// TestDeathLeavesNothing ends a test process in the ways that it can end.
func TestDeathLeavesNothing(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "facts")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), envVictim+"="+path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			var facts []byte
			within(t, "the process is ready", func() (done bool) {
				var err error
				facts, err = os.ReadFile(path)
				return err == nil
			})
			dir, pool, _ := strings.Cut(string(facts), "\n")
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			within(t, "its mount is gone", func() bool {
				_, err := os.Lstat(dir)
				return os.IsNotExist(err)
			})
			if os.Getenv("RBDFS_TEST_CLUSTER") == "" && os.Getenv("RBDFS_TEST_CONF") == "" {
				return // the pool was on a cluster of that process
			}
			within(t, "its pool is gone", func() bool {
				out, err := env.Cluster.Ceph(t.Context(), "osd", "pool", "ls")
				return err == nil && !strings.Contains(out, pool)
			})
		})
	}
}

// within waits until done answers true.
func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.Tick(50 * time.Millisecond); !done(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// wantGone fails if dir is there, mounted or not.
func wantGone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
