package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// ErrNotOwner is the answer of daemon control on a cluster that another
// process started. A test that needs it uses Own.
var ErrNotOwner = errors.New("the cluster belongs to another process")

// Daemons are the names of the daemons that this process controls.
func (c *Cluster) Daemons() []string {
	names := make([]string, 0, len(c.daemons))
	for name := range c.daemons {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// StopDaemon ends a daemon in order (SIGTERM) and waits until it is gone. An
// OSD tells the monitor first, so clients learn at once.
func (c *Cluster) StopDaemon(ctx context.Context, name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	return d.stop(ctx, syscall.SIGTERM)
}

// KillDaemon ends a daemon as a power cut does (SIGKILL).
func (c *Cluster) KillDaemon(ctx context.Context, name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	return d.stop(ctx, syscall.SIGKILL)
}

// StartDaemon starts a stopped daemon on its old data and waits until the
// monitor has it as up.
func (c *Cluster) StartDaemon(ctx context.Context, name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	if err := d.start(); err != nil {
		return err
	}
	return c.waitUp(ctx, name)
}

// PauseDaemon freezes a daemon (SIGSTOP): its connections stay, nothing answers.
func (c *Cluster) PauseDaemon(name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	return d.signal(syscall.SIGSTOP)
}

// ResumeDaemon lets a paused daemon go on (SIGCONT).
func (c *Cluster) ResumeDaemon(name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	return d.signal(syscall.SIGCONT)
}

// PID is the process id of a daemon, 0 when it does not run.
func (c *Cluster) PID(name string) int {
	d, err := c.daemon(name)
	if err != nil {
		return 0
	}
	return d.pid()
}

// daemon finds one that this process controls.
func (c *Cluster) daemon(name string) (*daemon, error) {
	if !c.Owned() {
		return nil, fmt.Errorf("control %s: %w", name, ErrNotOwner)
	}
	d, ok := c.daemons[name]
	if !ok {
		return nil, fmt.Errorf("control %s: no such daemon, there are %v", name, c.Daemons())
	}
	return d, nil
}
