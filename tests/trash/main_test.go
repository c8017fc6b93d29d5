// Package trash tests the directory of removed images, on real mounts of a real
// cluster.
package trash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs. Its mount keeps removed images.
var env *harness.Env

func TestMain(m *testing.M) {
	setup := harness.Setup{Options: harness.Options{Args: []string{"--trash-keep=1h"}}}
	harness.Main(m, setup, func(e *harness.Env) { env = e })
}

// start empties the trash now and at the test's end, and then checks env.Mount.
func start(t *testing.T) {
	t.Helper()
	env.Mount.Check(t)
	empty(t)
	t.Cleanup(func() { empty(t) })
}

// empty purges all that is in the trash.
func empty(t *testing.T) {
	t.Helper()
	for _, name := range names(t, bin(env.Mount)) {
		must(t, os.Remove(filepath.Join(bin(env.Mount), name)))
	}
	within(t, time.Minute, "the purge", func() error { return purged("") })
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
	out, err := env.Cluster.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// spec is an image of the env's pool, as the rbd command names it.
func spec(image string) string { return env.Pool + "/" + image }

// purged fails while the pool's trash has an image that had this name, or any for
// no name.
func purged(name string) error {
	list, err := exec.Command("rbd", "--conf", env.Cluster.Conf(), "trash", "ls", "--all", env.Pool).Output()
	for line := range strings.Lines(string(list)) {
		if name == "" || strings.HasSuffix(line, " "+name+"\n") {
			err = errors.Join(err, fmt.Errorf("the trash has %s", line))
		}
	}
	return err
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

// bin is the directory of a mount's removed images.
func bin(m *harness.Mount) string { return m.Path(".trash") }

// names lists a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// listed returns the names by which .trash lists what was removed as name, sorted.
func listed(t *testing.T, m *harness.Mount, name string) []string {
	t.Helper()
	return slices.DeleteFunc(names(t, bin(m)), func(n string) bool { return !strings.HasPrefix(n, name+"@") })
}

// one is the path of the one file in .trash that was removed as name.
func one(t *testing.T, m *harness.Mount, name string) string {
	t.Helper()
	list := listed(t, m, name)
	if len(list) != 1 {
		t.Fatalf(".trash has %q of %s", list, name)
	}
	return filepath.Join(bin(m), list[0])
}

// put makes an image with a text.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o640))
}

// reads fails unless a file holds a text.
func reads(t *testing.T, path, text string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%s holds %q, %v, want %q", path, got, err, text)
	}
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

// sh runs a script in the directory of env.Mount, and returns what it wrote and
// whether it succeeded.
func sh(script string) (string, error) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = env.Mount.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
