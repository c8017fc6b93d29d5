// Package group tests consistency groups as directories, on a real mount of a real
// cluster.
package group

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	within = harness.Within
	stat   = harness.Stat
	reads  = harness.Reads
	run    = harness.Output
)

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

// names lists a directory.
func names(t *testing.T, dir string) string { t.Helper(); return fmt.Sprint(harness.Names(t, dir)) }

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
		// rbd group rm would leave parts of them in images that are open.
		for _, snap := range harness.Names(t, dir) {
			must(t, os.Remove(filepath.Join(dir, snap)))
		}
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
