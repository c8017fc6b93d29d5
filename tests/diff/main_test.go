package diff

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	setup := harness.Setup{Options: harness.Options{Args: []string{"--object-size=64K"}}}
	harness.Main(m, setup, func(e *harness.Env) { env = e })
}

var (
	must = harness.Must
	want = harness.Want
	run  = harness.Run
)

func spec(image string) string { return env.Spec(image) }

const kib, mib = 1 << 10, 1 << 20

// rbd is env.RBD with every byte of the output.
func rbd(t *testing.T, args ...string) string {
	t.Helper()
	out, err := env.Cluster.RBD(context.WithoutCancel(t.Context()), args...)
	must(t, err)
	return out
}

// remove removes an image and its snapshots when the test is over.
func remove(t *testing.T, name string) {
	t.Cleanup(func() { rbd(t, "rm", "--no-progress", spec(name)) })
	t.Cleanup(func() { rbd(t, "snap", "purge", "--no-progress", spec(name)) })
}

// create makes an image by the rbd command, until the test is over.
func create(t *testing.T, name string, args ...string) {
	t.Helper()
	rbd(t, append([]string{"create", spec(name), "--object-size", "64K"}, args...)...)
	remove(t, name)
}

// snap takes a snapshot.
func snap(t *testing.T, image, name string) {
	t.Helper()
	must(t, os.Mkdir(env.Mount.Path(".snap/"+image+"/"+name), 0o700))
}

// diffOf is the path of a stream.
func diffOf(image, snap, older string) string {
	return env.Mount.Path(filepath.Join(".snap", image, snap, ".diff", older))
}

// stream reads a stream, whose size must be what stat says.
func stream(t *testing.T, path string) []byte {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	data, err := os.ReadFile(path)
	must(t, err)
	if info.Size() != int64(len(data)) {
		t.Fatalf("%s has %d bytes, and stat says %d", path, len(data), info.Size())
	}
	return data
}

// importDiff applies a stream to an image by the rbd command.
func importDiff(t *testing.T, data []byte, image string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream")
	must(t, os.WriteFile(path, data, 0o600))
	rbd(t, "import-diff", "--no-progress", path, spec(image))
}

// wantImage fails unless an image, or a snapshot, has these bytes for rbd export.
func wantImage(t *testing.T, image string, want []byte) {
	t.Helper()
	got := []byte(rbd(t, "export", "--no-progress", spec(image), "-"))
	wantSame(t, "rbd export "+image, got, want)
}

// wantSame fails unless both are equal, and names the first byte that is not.
func wantSame(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: byte %d is %#x, want %#x (%d and %d bytes)", what, i, got[i], want[i], len(got), len(want))
		}
	}
	t.Fatalf("%s: %d bytes, want %d", what, len(got), len(want))
}
