package pair

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs. env.Mount is one host.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

// visible is how long a change may take to show on another host: a second, and
// some time for a machine that has other things to do.
const visible = 1200 * time.Millisecond

// hosts are env.Mount and another mount, both checked at the test's end.
func hosts(t *testing.T, args ...string) (a, b *harness.Mount) {
	t.Helper()
	b = env.Start(t, harness.Options{Args: args})
	env.Mount.Check(t)
	return env.Mount, b
}

// soon repeats a check until it succeeds. Only a check that began when the time
// was over can fail.
func soon(t *testing.T, what string, check func() error) {
	t.Helper()
	within(t, visible, what, check)
}

func within(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Since(begin)
		err := check()
		if err == nil {
			return
		}
		if asked > limit {
			t.Fatalf("%s: after %v: %v", what, asked, err)
		}
	}
}

// rbd runs the rbd command as client.admin.
func rbd(t *testing.T, args ...string) string {
	t.Helper()
	out, err := env.Cluster.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spec is an image of the env's pool, as the rbd command names it.
func spec(image string) string { return env.Pool + "/" + image }

// must ends the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is this errno.
func want(t *testing.T, what string, err error, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Errorf("%s: %v, want %v", what, err, errno)
	}
}

// put makes a file with this text.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// reads fails unless the file holds this text now.
func reads(t *testing.T, path, text string) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != text {
		t.Fatalf("%s holds %.40q (%d bytes), want %.40q (%d bytes)", path, got, len(got), text, len(text))
	}
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
