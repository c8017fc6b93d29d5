package features

import (
	"strings"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

const objectSize = 4 << 20

// TestUsedIsExact compares st_blocks of an image with an object map with rbd du.
func TestUsedIsExact(t *testing.T) {
	env.Mount.Check(t)
	image := imageName(t)
	path := temporary(t, create(t, image, 10*objectSize+5))
	f := content.Open(t, path, writing)
	c := content.New(t, 10*objectSize+5)
	check := func(objects int64) {
		t.Helper()
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		st := content.Stat(t, path)
		used := content.Used(t, env.Cluster, spec(image))
		if st.Blocks*512 != used || used != objects*objectSize {
			t.Fatalf("st_blocks are %d bytes, rbd du says %d; %d objects have data", st.Blocks*512, used, objects)
		}
	}
	check(0)
	c.Write(t, f, 2*objectSize-1, 2)
	check(2)
	c.Write(t, f, 7*objectSize, 3*objectSize)
	check(5)
	c.Punch(t, f, 7*objectSize, 2*objectSize)
	check(3)
	c.Punch(t, f, objectSize, objectSize)
	check(2)
	c.Truncate(t, f, 3*objectSize)
	check(1)
	content.Close(t, f)
	c.Check(t, path)
}

// TestHoles finds the holes of every kind of image between two written places.
func TestHoles(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			env.Mount.Check(t)
			f := content.Open(t, temporary(t, create(t, imageName(t), 200<<20, k.args...)), writing)
			if _, err := f.WriteAt([]byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("x"), 199<<20); err != nil {
				t.Fatal(err)
			}
			got := content.DataRanges(t, f)
			content.Close(t, f)
			if len(got) != 2 || got[0].Off != 0 || got[0].End > 32<<20 || got[1].Off > 199<<20 || got[1].Off < 160<<20 {
				t.Fatalf("data ranges of two written bytes: %v", got)
			}
		})
	}
}

// TestInvalidObjectMap takes an image's object map away and gives it one that
// knows nothing: all of the image must be data then.
func TestInvalidObjectMap(t *testing.T) {
	env.Mount.Check(t)
	image := imageName(t)
	c := filled(t, image, 10*objectSize)
	rbd(t, "feature", "disable", spec(image), "object-map", "fast-diff")
	rbd(t, "feature", "enable", spec(image), "object-map", "fast-diff")
	if info := rbd(t, "info", spec(image)); !strings.Contains(info, "object map invalid, fast diff invalid") {
		t.Fatalf("the object map is valid: %s", info)
	}
	checkAllData(t, env.Mount, image, c)
	if _, err := env.Cluster.RBD(t.Context(), "object-map", "rebuild", "--no-progress", spec(image)); err != nil {
		t.Fatal(err)
	}
	c.Scribble(t, env.Mount.Path(image), 10)
	c.Check(t, env.Mount.Path(image))
	f := content.Open(t, env.Mount.Path(image), writing)
	c.Punch(t, f, 0, objectSize)
	content.Close(t, f)
	f = content.Open(t, env.Mount.Path(image), 0)
	if r := content.DataRanges(t, f); len(r) > 0 && r[0].Off == 0 {
		t.Errorf("no hole at the start after the object map was rebuilt: %v", r)
	}
	content.Close(t, f)
}

// checkAllData fails unless a file is shown without holes.
func checkAllData(t *testing.T, m *harness.Mount, image string, c *content.Content) {
	t.Helper()
	c.Check(t, m.Path(image))
	f := content.Open(t, m.Path(image), 0)
	defer content.Close(t, f)
	whole := content.Range{End: int64(len(c.Bytes))}
	if got := content.DataRanges(t, f); len(got) != 1 || got[0] != whole {
		t.Fatalf("data ranges %v, want all of the file", got)
	}
	if st := content.Stat(t, m.Path(image)); st.Blocks < st.Size/512-1 {
		t.Fatalf("st_blocks %d of %d bytes", st.Blocks, st.Size)
	}
}

// TestNoExtents mounts with --no-extents.
func TestNoExtents(t *testing.T) {
	image := imageName(t)
	c := filled(t, image, 10*objectSize)
	m := env.Start(t, harness.Options{Args: []string{"--no-extents"}})
	checkAllData(t, m, image, c)
	c.Scribble(t, m.Path(image), 10)
	checkAllData(t, m, image, c)
	c.CheckExport(t, env.Cluster, spec(image))
}
