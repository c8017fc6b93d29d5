package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// PrepareDir makes the folder of a cluster, or takes one that has nothing in it,
// and returns its absolute path. Without a name it makes a temporary one.
func PrepareDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "rbdfs-cluster-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Name() != holderPID && e.Name() != holderLog {
			return "", fmt.Errorf("cluster folder %q is not empty: it has %q", dir, e.Name())
		}
	}
	return dir, nil
}

// ours are the patterns of the names that a cluster has in its folder.
var ours = []string{
	"ceph.conf", "monmap", "*.keyring", "mon.a", "mgr.x", "osd.*", "log", "run", holderPID, holderLog,
}

// removeDir removes a cluster's files and then the folder, unless somebody put
// something else there: the folder's name is the user's word, and no mistake in
// it may cost them anything.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		known := slices.ContainsFunc(ours, func(pattern string) bool {
			ok, _ := filepath.Match(pattern, e.Name())
			return ok
		})
		if known {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	err = os.Remove(dir)
	if errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return ignoreMissing(err)
}

// ignoreMissing takes a file that is not there for one that was removed.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
