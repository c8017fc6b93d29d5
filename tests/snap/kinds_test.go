package snap

import (
	"os"
	"path/filepath"
	"testing"
)

// Only the snapshots that users made are listed: not those of groups and of
// mirroring, nor one that was removed and stays for its clones.
func TestOnlyUserSnapshots(t *testing.T) {
	env.Mount.Check(t)
	cleared(t)
	group, mirror, trash := "grouped", "mirrored", "parent"
	for _, name := range []string{group, mirror, trash} {
		image(t, name, []byte("data"))
		must(t, os.Mkdir(filepath.Join(snapsOf(name), "mine"), 0o755))
	}
	rbd(t, "group", "create", spec("g"))
	t.Cleanup(func() { rbd(t, "group", "rm", spec("g")) })
	rbd(t, "group", "image", "add", spec("g"), spec(group))
	rbd(t, "group", "snap", "create", spec("g@theirs"))
	t.Cleanup(func() { rbd(t, "group", "snap", "rm", spec("g@theirs")) })
	rbd(t, "mirror", "pool", "enable", env.Pool, "image")
	rbd(t, "mirror", "image", "enable", spec(mirror), "snapshot")
	t.Cleanup(func() { rbd(t, "mirror", "image", "disable", spec(mirror)) })
	must(t, os.Mkdir(filepath.Join(snapsOf(trash), "removed"), 0o755))
	clone(t, snapOf(trash, "removed"), "child")
	rbd(t, "snap", "rm", spec(trash+"@removed"), "--no-progress")
	for _, name := range []string{group, mirror, trash} {
		soon(t, "it has one snapshot", func() error { return gone(env.Mount, name, "removed") })
		if got := names(t, snapsOf(name)); got != "[mine]" {
			t.Errorf("%s has %s", name, got)
		}
	}
	if got, err := os.ReadFile(env.Mount.Path("child")); err != nil || string(got) != "data" {
		t.Errorf("the clone of a removed snapshot has %q, %v", got, err)
	}
}
