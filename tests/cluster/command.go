package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Ceph runs the ceph command on the cluster, as Admin unless args say
// otherwise ("--id", "rbd"), and returns its standard output.
func (c *Cluster) Ceph(ctx context.Context, args ...string) (string, error) {
	return c.run(ctx, "ceph", append([]string{"--conf", c.conf}, args...)...)
}

// RBD runs the rbd command in the same way. That of Ceph 16.2.15 aborts now and
// then as it disconnects, in librados' own threads (std::system_error, "Invalid
// argument"); what only asks is asked once more then.
func (c *Cluster) RBD(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"--conf", c.conf}, args...)
	out, err := c.run(ctx, "rbd", args...)
	if aborted(err) && asks(args) {
		c.log.Info("the rbd command aborted; asking again", "args", args)
		return c.run(ctx, "rbd", args...)
	}
	return out, err
}

// aborted tells whether a command ended itself by SIGABRT.
func aborted(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGABRT
}

// asks tells whether an rbd command changes nothing.
func asks(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "status" || arg == "info" || arg == "ls" || arg == "du"
	})
}

// Rados runs the rados command in the same way.
func (c *Cluster) Rados(ctx context.Context, args ...string) (string, error) {
	return c.run(ctx, "rados", append([]string{"--conf", c.conf}, args...)...)
}

// CommandError is a command that ended with an error.
type CommandError struct {
	// Command is the program and its arguments.
	Command []string
	// Stderr is all it wrote to standard error.
	Stderr string
	// Err is usually an *exec.ExitError, or why the command was given up.
	Err error
}

// Error gives the command, how it ended and what it said.
func (e *CommandError) Error() string {
	s := fmt.Sprintf("%s: %v", strings.Join(e.Command, " "), e.Err)
	if msg := strings.TrimSpace(e.Stderr); msg != "" {
		s += ": " + msg
	}
	return s
}

// Unwrap gives the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// run runs a command that ends with ctx, with Close and with this process.
func (c *Cluster) run(ctx context.Context, name string, args ...string) (string, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, cleanEnv()
	begin := time.Now()
	// A command killed may leave children that hold its pipes.
	cmd.WaitDelay = time.Second
	if err := c.spawn.start(cmd); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	c.log.Debug("command", "args", cmd.Args, "took", time.Since(begin).Round(time.Millisecond), "err", err)
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = &CommandError{Command: cmd.Args, Stderr: stderr.String(), Err: err}
	}
	return stdout.String(), err
}

// cleanEnv is the environment without what would point a Ceph program to
// another cluster, user or option.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "CEPH_ARGS", "CEPH_CONF", "CEPH_KEYRING", "CEPH_LIB":
		default:
			env = append(env, v)
		}
	}
	return env
}
