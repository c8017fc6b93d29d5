package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Files of a cluster that runs in the background.
const (
	holderPID = "holder.pid"
	holderLog = "holder.log"
)

// HolderLog is the file for the standard error of the process that calls Hold.
func HolderLog(dir string) string { return filepath.Join(dir, holderLog) }

// Hold starts a cluster in opts.Dir, calls ready, and ends the cluster when ctx
// does. Its process is the holder: its id is in the folder's holder.pid, on
// which it keeps a lock for as long as it lives, so that a stale id is never
// taken for it.
func Hold(ctx context.Context, opts Options, ready func(*Cluster) error) error {
	dir, err := PrepareDir(opts.Dir)
	if err != nil {
		return err
	}
	opts.Dir = dir
	pid, err := lockPID(dir)
	if err != nil {
		return err
	}
	defer pid.Close()
	c, err := Start(ctx, opts)
	if err != nil {
		return err
	}
	if err := ready(c); err != nil {
		return errors.Join(err, c.Close())
	}
	<-ctx.Done()
	return c.Close()
}

// lockPID writes this process's id to the folder's holder.pid and locks it.
func lockPID(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, holderPID), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cluster folder %q: another process holds a cluster in it", dir)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cluster folder %q: %w", dir, err)
	}
	return f, nil
}

// Holder is the process id of the holder of the cluster in dir, 0 when there is
// none alive.
func Holder(dir string) (int, error) {
	f, err := os.Open(filepath.Join(dir, holderPID))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return 0, nil // nobody holds the lock; closing gives up ours
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, fmt.Errorf("lock of %q: %w", f.Name(), err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("process id in %q: %q", f.Name(), data)
	}
	return pid, nil
}

// StopHolder ends the cluster that a holder runs in dir, and removes the folder,
// also that of a holder that was killed. A folder without a cluster is an error,
// one that is not there is not.
func StopHolder(ctx context.Context, dir string) error {
	if !exists(dir) {
		return nil
	}
	if !exists(filepath.Join(dir, holderPID)) {
		return fmt.Errorf("cluster folder %q: it has no %s, so no cluster to stop", dir, holderPID)
	}
	pid, err := Holder(dir)
	if err != nil {
		return err
	}
	if pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the cluster in %q: process %d: %w", dir, pid, err)
		}
	}
	if err := waitGone(ctx, dir); err != nil {
		return err
	}
	return removeDir(dir)
}

// waitGone waits until no holder of dir is alive.
func waitGone(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopGrace, fmt.Errorf("it did not end within %v", stopGrace))
	defer cancel()
	return poll(ctx, "the holder of "+dir, func(context.Context) (bool, error) {
		pid, err := Holder(dir)
		return pid == 0, err
	})
}
