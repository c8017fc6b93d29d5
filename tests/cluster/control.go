package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
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

// PauseDaemon freezes a daemon (SIGSTOP), and returns when the last of its threads
// stands still: its connections stay, nothing answers.
func (c *Cluster) PauseDaemon(name string) error {
	d, err := c.daemon(name)
	if err != nil {
		return err
	}
	if err := d.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); !stopped(c.PID(name)); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s does not stop", name)
		}
	}
	return nil
}

// stopped tells whether each thread of a process is stopped (proc_pid_stat(5)).
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		name := bytes.LastIndexByte(stat, ')') // may hold anything
		if err == nil && !bytes.HasPrefix(stat[name+1:], []byte(" T")) {
			return false
		}
	}
	return len(threads) > 0
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
