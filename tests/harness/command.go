package harness

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// RBD runs the rbd command as client.admin, which must succeed, and returns what
// it wrote without the space around it. A test's cleanup may call it too.
func (e *Env) RBD(tb testing.TB, args ...string) string {
	tb.Helper()
	out, err := e.Cluster.RBD(context.WithoutCancel(tb.Context()), args...)
	Must(tb, err)
	return strings.TrimSpace(out)
}

// Spec is an image of the pool, as the rbd command names it.
func (e *Env) Spec(image string) string { return e.Pool + "/" + image }

// Output runs a command, and returns what it wrote and how it ended.
func Output(tb testing.TB, argv ...string) (string, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeoutCause(tb.Context(), time.Minute, errors.New("not done in a minute"))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run is Output of a command that must succeed.
func Run(tb testing.TB, argv ...string) string {
	tb.Helper()
	out, err := Output(tb, argv...)
	if err != nil {
		tb.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return out
}

// Need skips the test when the machine lacks a program.
func Need(tb testing.TB, programs ...string) {
	tb.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			tb.Skipf("%s is not installed; tests/install-deps installs it", p)
		}
	}
}
