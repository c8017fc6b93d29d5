package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readyVariable tells the daemon which descriptor its parent listens on. It has
// no RBDFS_ name, since it is not for users.
const readyVariable = "_RBDFS_READY_FD"

// readyWord is what the daemon writes there once it has mounted.
const readyWord = "ready"

// launch is a daemon that was started and has not mounted yet. One goroutine
// uses it.
type launch struct {
	command *exec.Cmd
	stderr  bytes.Buffer // all that the daemon writes; complete once copied is closed
	copied  chan struct{}
	ready   chan bool // true for readyWord, false for the end of the pipe without it
	dir     string
	before  map[mountPoint]bool // the mounts that were there
}

// startDaemon runs this program again, in a session of its own, and returns
// when its mount answers. Otherwise the daemon's words and exit code become
// ours, and neither process nor mount is left.
func startDaemon(dir string, out console) error {
	// Before the start, so that Ctrl-C cannot leave the daemon alone.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	l, err := newLaunch(dir)
	if err != nil {
		return failf(exitInternal, "the background daemon cannot be started: %v", err)
	}
	deadline := time.Now().Add(startTime)
	select {
	case ready := <-l.ready:
		if !ready {
			return l.died(out)
		}
		if err := l.answers(time.Until(deadline)); err != nil {
			l.end()
			return err
		}
		<-l.copied
		_, err := l.stderr.WriteTo(out.stderr)
		return errors.Join(err, l.command.Process.Release())
	case <-time.After(time.Until(deadline)):
		l.end()
		return failf(exitDaemonSlow, "the background daemon had no mount on %q after %v and was ended; try without --background to see why", dir, startTime)
	case sig := <-signals:
		l.end()
		return failf(exitInterrupted, "ended by the signal %q before the pool was mounted", sig)
	}
}

// newLaunch starts the daemon.
func newLaunch(dir string) (*launch, error) {
	l := &launch{dir: dir, copied: make(chan struct{}), ready: make(chan bool, 1), before: map[mountPoint]bool{}}
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		l.before[m] = true
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	readyIn, readyOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyOut.Close()
	stderrIn, stderrOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stderrOut.Close()
	l.command = exec.Command(program, os.Args[1:]...)
	l.command.Args[0] = os.Args[0]
	l.command.Env = append(os.Environ(), readyVariable+"=3")
	l.command.ExtraFiles = []*os.File{readyOut} // descriptor 3
	l.command.Stderr = stderrOut
	l.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := l.command.Start(); err != nil {
		return nil, err
	}
	go l.copyStderr(stderrIn)
	go l.listen(readyIn)
	return l, nil
}

// copyStderr keeps what the daemon says until it has its own log.
func (l *launch) copyStderr(in *os.File) {
	defer close(l.copied)
	defer in.Close()
	_, _ = io.Copy(&l.stderr, in)
}

// listen waits for readyWord.
func (l *launch) listen(in *os.File) {
	defer in.Close()
	text, _ := io.ReadAll(in)
	l.ready <- strings.TrimSpace(string(text)) == readyWord
}

// answers checks that the mount answers a stat of its root.
func (l *launch) answers(limit time.Duration) error {
	_, err := within(limit, func() (struct{}, error) {
		var st unix.Stat_t
		return struct{}{}, unix.Stat(l.dir, &st)
	})
	if err != nil {
		return failf(exitDaemonSlow, "the mount on %q does not answer (%v) and was ended; try without --background to see why", l.dir, reason(err))
	}
	if len(l.mounts(nil)) == 0 { // even if it looks like one from before: the kernel uses ids again
		return failf(exitDaemonDied, "the mount on %q was there, but was unmounted at once; look who does that", l.dir)
	}
	return nil
}

// died passes on what a daemon that ended by itself has said.
func (l *launch) died(out console) error {
	l.reap(startTime)
	l.cleanUp()
	<-l.copied
	if _, err := l.stderr.WriteTo(out.stderr); err != nil {
		return err
	}
	state := l.command.ProcessState
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return failf(exitDaemonDied, "the background daemon was killed by the signal %q before its mount answered; \"dmesg\" may tell why", status.Signal())
	}
	if state.ExitCode() == int(exitOK) {
		return failf(exitDaemonDied, "the background daemon ended before its mount answered; try without --background to see why")
	}
	return said(exitCode(state.ExitCode()))
}

// end ends the daemon, if need be with SIGKILL, and takes its mount away.
func (l *launch) end() {
	_ = l.command.Process.Signal(syscall.SIGTERM)
	l.reap(killGrace)
	l.cleanUp()
}

// reap waits for the daemon's end, and kills it after a time.
func (l *launch) reap(patience time.Duration) {
	timer := time.AfterFunc(patience, func() { _ = l.command.Process.Kill() })
	defer timer.Stop()
	_ = l.command.Wait()
}

// cleanUp detaches what the daemon has left mounted: a dead mount. A live one is
// that of another rbdfs, which was quicker.
func (l *launch) cleanUp() {
	_, _ = within(dirTime, func() (struct{}, error) {
		for _, m := range l.mounts(l.before) {
			_ = detachDead(m)
		}
		return struct{}{}, nil
	})
}

// mounts returns the mounts of rbdfs on the directory, but for some.
func (l *launch) mounts(without map[mountPoint]bool) []mountPoint {
	path, err := resolveDir(l.dir)
	if err != nil {
		return nil
	}
	all, _ := readMounts()
	var found []mountPoint
	for _, m := range all {
		if m.path == path && m.fstype == mountType && !without[m] {
			found = append(found, m)
		}
	}
	return found
}
