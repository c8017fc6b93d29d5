package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/cluster"
)

// runCommand runs a command while a cluster is up, which its environment names.
// An existing Ceph that the environment names is used as it is.
func runCommand(ctx context.Context, c command, stdout io.Writer) error {
	if os.Getenv(cluster.EnvConf) != "" {
		return runOn(ctx, c.args, os.Environ(), stdout)
	}
	up, err := cluster.Start(ctx, c.opts)
	if err != nil {
		return err
	}
	err = runOn(ctx, c.args, append(os.Environ(), cluster.EnvCluster+"="+up.Dir()), stdout)
	return errors.Join(err, up.Close())
}

// runOn runs the command; the end of ctx interrupts it and what it has started, so
// that they can clean up after themselves. A terminal does that by itself, to all
// that it knows as one job.
func runOn(ctx context.Context, args, environ []string, stdout io.Writer) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, os.Stdin, stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	if _, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS); err != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	}
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exitCode(exit.ExitCode())
	}
	return err
}

// exitCode is that of the command of "run", which told its user why.
type exitCode int

// Error says it for a log.
func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
