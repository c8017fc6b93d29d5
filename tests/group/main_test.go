// Package group tests consistency groups as directories, on a real mount of a real
// cluster.
package group

import (
	"context"
	"errors"
	"fmt"
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
	within(t, visible, what, check)
}

func within(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Since(begin)
		err := check()
		if err == nil {
			return
		}
		if asked > limit {
			t.Fatalf("%s: after %v: %v", what, asked, err)
		}
	}
}

// rbd runs the rbd command as client.admin.
func rbd(t *testing.T, args ...string) string {
	t.Helper()
	out, err := env.Cluster.RBD(context.WithoutCancel(t.Context()), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// run runs a command, and returns what it wrote and how it ended.
func run(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("not done in a minute"))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
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
		left, err := filepath.Glob(env.Mount.Path(".snap/" + name + "/*"))
		for _, snap := range left {
			err = errors.Join(err, os.Remove(snap))
		}
		if err := errors.Join(err, os.Remove(path)); err != nil {
			t.Error(err)
		}
	})
	return path
}

// group makes a group of images, POOL/IMAGE or of the env's pool, until the test
// ends, and returns its directory.
func group(t *testing.T, name string, images ...string) (dir string) {
	t.Helper()
	spec := env.Pool + "/" + name
	dir = env.Mount.Path(".group/" + name)
	rbd(t, "group", "create", spec)
	t.Cleanup(func() {
		rbd(t, "group", "rm", spec)
		soon(t, "the group goes", func() error {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("it is there: %v", err)
			}
			return nil
		})
	})
	for _, image := range images {
		if !strings.Contains(image, "/") {
			image = env.Pool + "/" + image
		}
		rbd(t, "group", "image", "add", spec, image)
	}
	soon(t, "the group shows", func() error { _, err := os.Stat(dir); return err })
	return dir
}

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

// reads fails unless a file holds this.
func reads(t *testing.T, path, data string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != data {
		t.Errorf("%s holds %.40q (%d bytes), %v, want %.40q (%d bytes)", path, got, len(got), err, data, len(data))
	}
}
