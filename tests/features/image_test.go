package features

import (
	"os"
	"strconv"
	"testing"

	"rbdfs/tests/content"
)

const writing = os.O_RDWR

// bytesArg is a number of bytes for the rbd command's --size.
func bytesArg(n int) string { return strconv.Itoa(n) + "B" }

// kind is a way to make an image.
type kind struct {
	name string
	size int
	args []string
}

// features is an image with these features alone.
func features(name, list string) kind {
	return kind{name, 11_000_003, []string{"--image-feature", list}}
}

// kinds of images; none ends at an object's end.
var kinds = []kind{
	{"default", 11_000_003, nil},
	{"striped", 3_000_001, []string{"--object-size", "64K", "--stripe-unit", "8192", "--stripe-count", "5"}},
	{"striped-plain", 3_000_001, []string{"--object-size", "64K", "--stripe-unit", "4096", "--stripe-count", "3", "--image-feature", "layering,striping"}},
	{"striped-wide", 20_000_001, []string{"--stripe-unit", "65536", "--stripe-count", "4"}},
	{"objects-4k", 1_000_001, []string{"--object-size", "4K"}},
	{"objects-64k", 3_000_001, []string{"--object-size", "64K"}},
	{"objects-32m", 40_000_001, []string{"--object-size", "32M"}},
	features("layering", "layering"),
	features("exclusive-lock", "layering,exclusive-lock"),
	features("object-map", "layering,exclusive-lock,object-map"),
	features("journaling", "layering,exclusive-lock,journaling"),
	features("all", "layering,exclusive-lock,object-map,fast-diff,deep-flatten,journaling"),
}

// TestImageKinds changes each image through the mount, and compares it with what
// was written in all ways.
func TestImageKinds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			env.Mount.Check(t)
			exercise(t, imageName(t), k.size, k.args...)
		})
	}
}

// TestDataPool is TestImageKinds for an image whose data is erasure-coded.
func TestDataPool(t *testing.T) {
	env.Mount.Check(t)
	exercise(t, imageName(t), 11_000_003, "--data-pool", ecPool(t))
}

// exercise makes an image, fills it by the rbd command as far as it can, and
// changes it through the mount in two openings.
func exercise(t *testing.T, image string, size int, args ...string) {
	t.Helper()
	path := temporary(t, create(t, image, size, args...))
	c := content.New(t, size)
	c.Check(t, path)
	for range 2 {
		c.Scribble(t, path, 20)
		c.Check(t, path)
		c.CheckExport(t, env.Cluster, spec(image))
		checkUsed(t, image)
	}
	checkShrinkAndGrow(t, c, path)
	c.CheckExport(t, env.Cluster, spec(image))
}

// checkUsed compares st_blocks with what the rbd command says is in use: at
// least that, and the very number where objects are counted alike.
func checkUsed(t *testing.T, image string) {
	t.Helper()
	st := content.Stat(t, env.Mount.Path(image))
	used := content.Used(t, env.Cluster, spec(image))
	if st.Blocks*512 < min(used, st.Size/512*512-512) {
		t.Fatalf("st_blocks are %d bytes of %d, rbd du says %d", st.Blocks*512, st.Size, used)
	}
}

// checkShrinkAndGrow cuts a file in the middle of an object, and grows it again:
// what was cut off must not come back.
func checkShrinkAndGrow(t *testing.T, c *content.Content, path string) {
	t.Helper()
	size := len(c.Bytes)
	f := content.Open(t, path, writing)
	c.Write(t, f, 0, size)
	c.Truncate(t, f, size/2+1)
	c.Truncate(t, f, size+4567)
	content.Close(t, f)
	c.Check(t, path)
}
