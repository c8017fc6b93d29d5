// Package snap tests snapshots as directories, on a real mount of a real cluster.
package snap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

// visible is how long a change may take to show on another host: a second, and
// some time for a machine that has other things to do.
const visible = 1200 * time.Millisecond

// soon repeats a check until it succeeds. Only a check that began when the time
// was over can fail.
func soon(t *testing.T, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Since(begin)
		err := check()
		if err == nil {
			return
		}
		if asked > visible {
			t.Fatalf("%s: after %v: %v", what, asked, err)
		}
	}
}

// rbd runs the rbd command as client.admin.
func rbd(t *testing.T, args ...string) string {
	t.Helper()
	out, err := env.Cluster.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// rbdLater is rbd for a test's cleanup.
func rbdLater(t *testing.T, args ...string) {
	t.Helper()
	if _, err := env.Cluster.RBD(context.WithoutCancel(t.Context()), args...); err != nil {
		t.Error(err)
	}
}

// random is data of a seed that the log shows.
func random(t *testing.T, size int) []byte {
	t.Helper()
	seed := rand.Uint64()
	t.Log("seed", seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%032x", seed))).Read(data)
	return data
}

// spec is an image of the env's pool, as the rbd command names it.
func spec(image string) string { return env.Pool + "/" + image }

// run runs a command that must succeed, and returns what it wrote.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("not done in a minute"))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// need skips the test when the machine lacks a program.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed; tests/install-deps installs it", p)
		}
	}
}

// must ends the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is this errno.
func want(t *testing.T, what string, err error, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Errorf("%s: %v, want %v", what, err, errno)
	}
}

// image makes an image with a content, until the test ends, and returns its path.
func image(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := env.Mount.Path(name)
	must(t, os.WriteFile(path, data, 0o644))
	t.Cleanup(func() {
		entries, err := os.ReadDir(snapsOf(name))
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			// One that the rbd command removed may still be listed.
			if err := os.Remove(filepath.Join(snapsOf(name), e.Name())); err != nil && !os.IsNotExist(err) {
				t.Error(err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

// snapsOf is the directory of an image's snapshots.
func snapsOf(image string) string { return env.Mount.Path(".snap/" + image) }

// snapOf is the path of a snapshot's file.
func snapOf(image, snap string) string { return filepath.Join(snapsOf(image), snap, image) }

// stat is lstat(2).
func stat(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatalf("stat %s: %v", path, err)
	}
	return st
}

// names lists a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return fmt.Sprint(list)
}
