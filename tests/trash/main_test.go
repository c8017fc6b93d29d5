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

var (
	must   = harness.Must
	want   = harness.Want
	soon   = harness.Soon
	within = harness.Within
	stat   = harness.Stat
	names  = harness.Names
	reads  = harness.Reads
)

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

func spec(image string) string { return env.Spec(image) }

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

// bin is the directory of a mount's removed images.
func bin(m *harness.Mount) string { return m.Path(".trash") }

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

// sh runs a script in the directory of env.Mount, and returns what it wrote and
// whether it succeeded.
func sh(script string) (string, error) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = env.Mount.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
