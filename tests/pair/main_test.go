package pair

import (
	"os"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs. env.Mount is one host.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

var (
	must   = harness.Must
	want   = harness.Want
	soon   = harness.Soon
	within = harness.Within
	put    = harness.Put
	reads  = harness.Reads
)

const visible = harness.Visible

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

func spec(image string) string { return env.Spec(image) }

// hosts are env.Mount and another mount, both checked at the test's end.
func hosts(t *testing.T, args ...string) (a, b *harness.Mount) {
	t.Helper()
	b = env.Start(t, harness.Options{Args: args})
	env.Mount.Check(t)
	return env.Mount, b
}

// lists tells whether a listing of the mount has this name.
func lists(m *harness.Mount, name string) (bool, error) {
	entries, err := os.ReadDir(m.Dir)
	for _, e := range entries {
		if e.Name() == name {
			return true, err
		}
	}
	return false, err
}
