package snap

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/harness"
)

// clones makes clones of clones with a mount of its own options: an image, a
// clone of it that is changed, and a clone of that which is changed too. It
// returns what each file is to hold.
func clones(t *testing.T, m *harness.Mount) map[string][]byte {
	t.Helper()
	content := map[string][]byte{"golden": make([]byte, 24*mib)}
	must(t, os.Truncate(image(t, "golden", nil), 24*mib))
	cleared(t)
	change := func(name string, off int) {
		data := random(t, mib)
		copy(content[name][off:], data)
		f, err := os.OpenFile(m.Path(name), os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt(data, int64(off))
		must(t, err)
		must(t, f.Close())
	}
	change("golden", 8*mib)
	for _, step := range []struct {
		from, to string
		off      int
	}{{"golden", "vm1", 17*mib + 5}, {"vm1", "vm2", 8*mib + 777}} {
		snap := m.Path(".snap/" + step.from + "/v1")
		must(t, os.Mkdir(snap, 0o755))
		t.Cleanup(func() { must(t, syscall.Rmdir(snap)) })
		must(t, os.Link(filepath.Join(snap, step.from), m.Path(step.to)))
		t.Cleanup(func() { must(t, os.Remove(m.Path(step.to))); purged(t) })
		content[step.to] = bytes.Clone(content[step.from])
		change(step.to, step.off)
	}
	return content
}

// A clone of a clone has the data of all, by read and by the holes that are found,
// as an image and as a snapshot, and its mount's options.
func TestCloneOfAClone(t *testing.T) {
	pool := env.Cluster.Pool(t)
	m := env.Start(t, harness.Options{Args: []string{"--object-size=1M", "--data-pool=" + pool}})
	for name, data := range clones(t, m) {
		snap := m.Path(".snap/" + name + "/last")
		must(t, os.Mkdir(snap, 0o755))
		t.Cleanup(func() { must(t, syscall.Rmdir(snap)) })
		for _, path := range []string{m.Path(name), filepath.Join(snap, name), env.Mount.Path(name)} {
			wantContent(t, path, data)
			wantHoles(t, path, data)
		}
		if name == "golden" {
			continue
		}
		info := rbd(t, "info", spec(name))
		for _, part := range []string{"order 20 ", "data_pool: " + pool + "\n", "parent: " + env.Pool} {
			if !strings.Contains(info, part) {
				t.Errorf("%q is not in %s", part, info)
			}
		}
	}
}

// wantHoles fails unless SEEK_DATA and SEEK_HOLE find holes, all of them empty,
// and st_blocks says that there are some.
func wantHoles(t *testing.T, path string, want []byte) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	if st := stat(t, path); st.Blocks == 0 || st.Blocks*512 >= int64(len(want)) {
		t.Errorf("%s has %d blocks", path, st.Blocks)
	}
	const seekData, seekHole = 3, 4
	found := 0
	for end := int64(0); end < int64(len(want)); {
		data, err := f.Seek(end, seekData)
		if err != nil {
			data = int64(len(want))
		}
		found += int(data - end)
		if len(bytes.Trim(want[end:data], "\x00")) > 0 {
			t.Errorf("%s: there is data in the hole [%d, %d)", path, end, data)
		}
		if end, err = f.Seek(data, seekHole); err != nil && data != int64(len(want)) {
			t.Fatal(err)
		} else if err != nil {
			break
		}
	}
	if found < 8*mib {
		t.Errorf("%s: %d bytes of holes are found", path, found)
	}
}

// Where clones are of format 1, ln protects the snapshot, and rmdir removes it
// after the clone all the same.
func TestCloneFormat1(t *testing.T) {
	m := env.Start(t, harness.Options{Args: []string{"--ceph-option", "rbd_default_clone_format=1"}})
	content := clones(t, m)
	for name, data := range content {
		wantContent(t, m.Path(name), data)
	}
	for _, name := range []string{"golden", "vm1"} {
		if list := rbd(t, "snap", "ls", "--format=json", spec(name)); !strings.Contains(list, `"protected":"true"`) {
			t.Error(list)
		}
	}
}
