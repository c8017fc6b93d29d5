// Package posix runs all of go-fuse's POSIX tests on a real mount.
package posix

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"rbdfs/tests/harness"
)

// env has the mount that all cases run on, one after the other.
var env *harness.Env

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(m.Run())
	}
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

// allowed are the cases that do not pass, each with its reason. One that passes
// fails the run, so that the list stays true.
var allowed = map[string]string{
	// The root is the only directory whose files can be made: mkdir(2) is EPERM.
	"DirSeek":                    "makes a directory",
	"MkdirRmdir":                 "makes a directory",
	"OpenAt":                     "makes a directory",
	"RenameOpenDir":              "makes a directory",
	"RenameOverwriteDestExist":   "makes a directory",
	"RenameOverwriteDestNoExist": "makes a directory",

	// An image has one name, and link(2) of it is EPERM: RBD has no hard links.
	"Link":             "makes a hard link",
	"LinkUnlinkRename": "makes a hard link",

	// RBD has no symbolic links: symlink(2) is EPERM.
	"OpenSymlinkRace": "makes a symbolic link",
	"SetattrSymlink":  "makes a symbolic link",
	"SymlinkReadlink": "makes a symbolic link",

	// An image has a name from the start: O_TMPFILE is EOPNOTSUPP.
	"Tmpfile": "opens a file without a name",

	// It expects that one process's fcntl(2) locks on two descriptors conflict,
	// which fcntl_locking(2) rules out, and which go-fuse's own run of its tests
	// leaves out ("TODO - fix this test"). It fails on ext4, too.
	"FcntlFlockLocksFile": "expects a process to lock itself out",
}

// TestAll runs every case that is to pass. A case that skips does not pass. In a
// process of TestAllowed it runs what that asks for.
func TestAll(t *testing.T) {
	if dir := os.Getenv(envChild); dir != "" {
		for name, test := range posixtest.All {
			t.Run(name, func(t *testing.T) { test(t, dir) })
		}
		return
	}
	env.Mount.Check(t)
	ran := 0
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		if allowed[name] != "" {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { empty(t) })
			t.Cleanup(func() {
				if t.Skipped() {
					t.Error("skipped, and not on the list of allowed cases")
				}
			})
			posixtest.All[name](t, env.Mount.Dir)
		})
	}
	t.Logf("posixtest: %d cases, %d run and %d allowed not to pass", len(posixtest.All), ran, len(allowed))
}

// empty removes what a case has left, as each expects an empty directory.
func empty(t *testing.T) {
	entries, err := os.ReadDir(env.Mount.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Remove(env.Mount.Path(e.Name())); err != nil {
			t.Error(err)
		}
	}
}
