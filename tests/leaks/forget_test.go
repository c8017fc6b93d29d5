package leaks

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"rbdfs/tests/harness"
)

// TestForgotten looks at images and at all below .snap and .trash, and removes them.
// Of what the kernel has forgotten the daemon remembers nothing: no name is left but
// of what the kernel still has.
func TestForgotten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("dropping the kernel's caches needs root")
	}
	const n = 12 // a snapshot takes a second
	m := env.Start(t, harness.Options{Pool: env.Cluster.Pool(t), Args: []string{"--log-level=debug", "--trash-keep=1h"}})
	parallel(t, n, func(i int) error {
		name := fmt.Sprint("forgotten", i)
		if err := os.WriteFile(m.Path(name), []byte("data"), 0o600); err != nil {
			return err
		}
		return os.Mkdir(m.Path(".snap/"+name+"/s"), 0o755)
	})
	seen := 0
	for _, dir := range []string{"", ".snap", ".trash"} {
		must(t, filepath.WalkDir(m.Path(dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			seen++
			_, err = os.Lstat(path)
			return err
		}))
	}
	if seen < 4*n {
		t.Errorf("%d files were seen", seen)
	}
	parallel(t, n, func(i int) error {
		name := fmt.Sprint("forgotten", i)
		if err := os.Remove(m.Path(".snap/" + name + "/s")); err != nil {
			return err
		}
		return os.Remove(m.Path(name))
	})
	must(t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0)) // dentries and inodes
	if _, err := os.Stat(m.Dir); err != nil {
		t.Error(err)
	}
	must(t, m.Unmount())
	found := regexp.MustCompile(`msg="files that the kernel knew at the end" files=(\d+) "of images"=(\d+)`).FindStringSubmatch(m.Log())
	if found == nil {
		t.Fatal("the log does not tell what the kernel knew at the end")
	}
	for _, number := range found[1:] {
		if left, err := strconv.Atoi(number); left > n/2 || err != nil {
			t.Errorf("of %d files that were seen and removed, %s are left", seen, found[0])
		}
	}
}
