package tools

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commandTime is more than any command here takes on a busy machine.
const commandTime = time.Minute

// execute runs a command and returns what it wrote to standard output and to
// standard error. It ends with the test.
func execute(ctx context.Context, argv ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("not done in %v", commandTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	// qemu-img and rsync have several processes; none may stay.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return out.String(), errs.String(), err
}

// run runs a command that must succeed, and returns what it wrote to standard
// output.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	stdout, stderr, err := execute(t.Context(), argv...)
	if err != nil {
		t.Fatalf("%s: %v: %s%s", strings.Join(argv, " "), err, stdout, stderr)
	}
	return stdout
}

// quiet runs a command that must succeed and have nothing to say.
func quiet(t *testing.T, argv ...string) {
	t.Helper()
	stdout, stderr, err := execute(t.Context(), argv...)
	if err != nil || stdout+stderr != "" {
		t.Fatalf("%s: %v: %s%s", strings.Join(argv, " "), err, stdout, stderr)
	}
}

// refused runs a command that must fail and give this reason.
func refused(t *testing.T, reason string, argv ...string) {
	t.Helper()
	stdout, stderr, err := execute(t.Context(), argv...)
	if err == nil {
		t.Errorf("%s: succeeded, and should have failed with %q", strings.Join(argv, " "), reason)
	} else if !strings.Contains(stderr, reason) {
		t.Errorf("%s: %v: %s%s; the reason should be %q", strings.Join(argv, " "), err, stdout, stderr, reason)
	}
}

// sh splits a command line at its spaces and puts more arguments behind it.
func sh(line string, more ...string) []string { return append(strings.Fields(line), more...) }
