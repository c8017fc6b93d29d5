package features

import (
	"os"
	"strings"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	// An erasure-coded pool of 2+1 chunks needs three OSDs.
	harness.Main(m, harness.Setup{OSDs: 3}, func(e *harness.Env) { env = e })
}

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

func spec(image string) string { return env.Spec(image) }

// imageName makes the test's name an image's.
func imageName(t *testing.T) string {
	return strings.NewReplacer("/", ".").Replace(t.Name())
}

// create makes an image by the rbd command.
func create(t *testing.T, image string, size int, args ...string) (path string) {
	t.Helper()
	rbd(t, append([]string{"create", "--size", bytesArg(size), spec(image)}, args...)...)
	return env.Mount.Path(image)
}

// temporary removes a file when the test ends, so that there are few images for
// Check to look at.
func temporary(t *testing.T, path string) string {
	t.Helper()
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

// filled makes an image of size bytes with random data in places, and closes it.
func filled(t *testing.T, image string, size int, args ...string) *content.Content {
	t.Helper()
	path := create(t, image, size, args...)
	c := content.New(t, size)
	f := content.Open(t, path, writing)
	for range 12 {
		c.Write(t, f, c.Rand.IntN(size-40_000), 1+c.Rand.IntN(40_000))
	}
	content.Close(t, f)
	return c
}

// ecPool makes an erasure-coded pool for this test.
func ecPool(t *testing.T) string {
	t.Helper()
	pool := env.Pool + "-ec"
	if err := env.Cluster.CreateECPool(t.Context(), pool, 2, 1); err != nil {
		t.Fatal(err)
	}
	return pool
}
