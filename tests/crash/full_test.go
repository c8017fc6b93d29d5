package crash

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"rbdfs/tests/harness"
)

// TestRemoveWhenFull removes, renames over and brings back in a pool that is past its
// quota, and in which nothing was removed before: rm answered ENOENT for a file that is there.
func TestRemoveWhenFull(t *testing.T) {
	t.Parallel()
	for _, quota := range []string{"max_bytes", "max_objects"} {
		t.Run(quota, func(t *testing.T) {
			t.Parallel()
			pool := env.Cluster.Pool(t)
			m := env.Start(t, harness.Options{Pool: pool, Args: []string{"--trash-keep", "1h"}, ReadOnly: true}) // no warming up: it removes
			removeWhenFull(t, m, quota)
		})
	}
}

// removeWhenFull makes a few images and has a quota make their pool full.
func removeWhenFull(t *testing.T, m *harness.Mount, quota string) {
	t.Helper()
	c := env.Cluster
	for _, name := range []string{"a", "b", "over"} {
		must(t, os.WriteFile(m.Path(name), []byte(name), 0o600))
	}
	eventually(t, "nothing is open", func() error { return notWatched(m.Pool, "a", "b", "over") })
	ceph(t, "osd", "pool", "set-quota", m.Pool, quota, "1")
	eventually(t, "the pool is full", func() error {
		out, err := c.Ceph(context.Background(), "osd", "dump")
		for line := range strings.Lines(out) {
			if strings.Contains(line, "'"+m.Pool+"'") && strings.Contains(line, "full_quota") {
				return nil
			}
		}
		return errors.Join(err, errors.New("it is not"))
	})
	must(t, os.Remove(m.Path("a")))
	must(t, os.Rename(m.Path("b"), m.Path("over")))
	harness.Reads(t, m.Path("over"), "b")
	must(t, os.Rename(m.Path(".trash/a"), m.Path("back")))
	harness.Reads(t, m.Path("back"), "a")
	must(t, os.Remove(m.Path("over")))
	if got := harness.Names(t, m.Dir); !slices.Equal(got, []string{"back"}) {
		t.Errorf("there are %q", got)
	}
	for _, name := range harness.Names(t, m.Path(".trash")) {
		must(t, os.Remove(m.Path(".trash/"+name)))
	}
	eventually(t, "the trash is empty", func() error {
		out, err := c.RBD(context.Background(), "trash", "ls", m.Pool)
		if err == nil && strings.TrimSpace(out) != "" {
			err = errors.New(out)
		}
		return err
	})
}

// notWatched tells whether nobody has the images of a pool open.
func notWatched(pool string, images ...string) error {
	for _, image := range images {
		out, err := env.Cluster.RBD(context.Background(), "status", pool+"/"+image)
		if err != nil || !strings.Contains(out, "none") {
			return errors.Join(err, errors.New(out))
		}
	}
	return nil
}
