// Package snap tests snapshots as directories, on a real mount of a real cluster.
package snap

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

var (
	must   = harness.Must
	want   = harness.Want
	soon   = harness.Soon
	stat   = harness.Stat
	run    = harness.Run
	need   = harness.Need
	random = harness.Random
)

const visible = harness.Visible

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

func spec(image string) string { return env.Spec(image) }

// names lists a directory.
func names(t *testing.T, dir string) string { t.Helper(); return fmt.Sprint(harness.Names(t, dir)) }

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
