package librbd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"rbdfs/rbdio"
)

// wantAllData fails the test unless an image is said to have data everywhere, and
// reads as data does.
func wantAllData(t *testing.T, p *Pool, name string, data []byte) {
	t.Helper()
	id, err := p.Lookup(name)
	must(t, err)
	info, err := p.Stat(id)
	must(t, err)
	many := p.StatMany([]rbdio.Entry{{Name: name, ID: id}})[0]
	must(t, many.Err)
	if info.Allocated != rbdio.Unknown || many.Info.Allocated != rbdio.Unknown {
		t.Errorf("%s has %d, %d bytes allocated, want it unknown", name, info.Allocated, many.Info.Allocated)
	}
	img := openRead(t, p, id)
	list, err := img.Extents(0, uint64(len(data)))
	must(t, err)
	if len(list) != 1 || list[0] != (rbdio.Extent{Len: uint64(len(data))}) {
		t.Errorf("%s has data at %v", name, list)
	}
	got := make([]byte, len(data))
	_, err = img.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("%s reads otherwise", name)
	}
}

// An image whose data is at its migration's source, another image or a file, hides
// none of it, nor do its snapshots and clones.
func TestMigrating(t *testing.T) {
	p := newPool(t)
	pool := p.cfg.Pool + "/"
	data := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	img := open(t, p, create(t, p, "source", uint64(len(data)), ""))
	must(t, img.WriteAt(data, 0))
	must(t, img.Close())
	raw := filepath.Join(t.TempDir(), "raw")
	must(t, os.WriteFile(raw, data, 0o600))
	rbdCommand(t, "migration", "prepare", pool+"source", pool+"moved")
	spec := fmt.Sprintf(`{"type":"raw","stream":{"type":"file","file_path":%q}}`, raw)
	rbdCommand(t, "migration", "prepare", "--import-only", "--source-spec", spec, pool+"imported")
	for _, name := range []string{"moved", "imported"} {
		wantAllData(t, p, name, data)
		id, err := p.Lookup(name)
		must(t, err)
		snap := takeSnap(t, p, id, "s")
		if info, err := p.StatSnapshot(id, snap.ID); err != nil || info.Allocated != rbdio.Unknown {
			t.Errorf("the snapshot has %d bytes allocated, %v", info.Allocated, err)
		}
		i := openSnap(t, p, id, snap.ID)
		diff, err := i.Diff(0, 0, uint64(len(data)))
		must(t, err)
		if len(diff) != 1 || diff[0].Zero || diff[0].Len != uint64(len(data)) {
			t.Errorf("the snapshot's diff is %v", diff)
		}
		rbdCommand(t, "clone", "--rbd-default-clone-format", "2", pool+name+"@s", pool+"clone-of-"+name)
		wantAllData(t, p, "clone-of-"+name, data)
	}
	rbdCommand(t, "migration", "execute", pool+"moved")
	wantAllData(t, p, "moved", data)
}

// A feature that is not known here may be one of data elsewhere; the others are known.
func TestFeaturesOwnData(t *testing.T) {
	for bit, name := range featureNames {
		want := name == "migrating" || name == "dirty-cache"
		if elsewhere(1<<bit) != want {
			t.Errorf("%s: %v, want %v", name, !want, want)
		}
	}
	h := header{size: 1 << 20, features: featureObjectMap}
	if !h.mapped() {
		t.Error("an object map is not believed")
	}
	for bit := len(featureNames); bit < 64; bit++ {
		h.features = featureObjectMap | 1<<bit
		if h.mapped() {
			t.Errorf("with bit %d the object map is believed", bit)
		}
	}
}
