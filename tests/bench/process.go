package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"rbdfs/tests/cluster"
)

const (
	startTime = time.Minute // for a daemon to serve
	endTime   = time.Minute // for a daemon to flush and end
)

// process is a daemon or a command that runs. It dies with this process.
type process struct {
	cmd   *exec.Cmd
	said  *bytes.Buffer // standard error; for reading when it has ended
	ended chan struct{} // closed then; err is valid
	err   error
}

// spawn starts a process, in a group of its own: Ctrl-C is for us, who end
// everything in order. The kernel ties PR_SET_PDEATHSIG to the thread that forked
// (prctl(2)), so one thread is kept for it until it ends.
func (b *bench) spawn(stdout io.Writer, argv ...string) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), said: &bytes.Buffer{}, ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = b.environ(), stdout, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// wait returns how the process ended; it is killed when ctx ends.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.ended
		return context.Cause(ctx)
	}
	return p.failure(p.err)
}

// failure is an error of the process, with what it said.
func (p *process) failure(err error) error {
	if err == nil {
		return nil
	}
	return &cluster.CommandError{Command: p.cmd.Args, Stderr: lastLines(p.said.String(), 5), Err: err}
}

// rbdAborted tells whether the rbd command ended itself by SIGABRT. That of Ceph
// 16.2.15 does so now and then as it disconnects.
func rbdAborted(err error) bool {
	var command *cluster.CommandError
	var exit *exec.ExitError
	if !errors.As(err, &command) || command.Command[0] != "rbd" || !errors.As(command.Err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGABRT
}

// lastLines is the end of a program's output.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stop ends a daemon by SIGTERM, and kills it when it does not end. What it
// said is an error only if it had to be killed, or ended before.
func (p *process) stop() error {
	early := p.isOver()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if early {
			return p.failure(errors.Join(errors.New("ended by itself"), p.err))
		}
		return nil
	case <-time.After(endTime):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return p.failure(fmt.Errorf("did not end within %v", endTime))
	}
}

// isOver tells whether the process has ended.
func (p *process) isOver() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// pid is that of the process; 0 without one.
func (p *process) pid() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// command runs a command to its end and returns what it wrote.
func (b *bench) command(ctx context.Context, argv ...string) (string, error) {
	var out bytes.Buffer
	p, err := b.spawn(&out, argv...)
	if err != nil {
		return "", err
	}
	err = p.wait(ctx)
	return out.String(), err
}

// daemon starts a daemon and waits until it has mounted something at mnt.
func (b *bench) daemon(ctx context.Context, mnt string, argv ...string) (*process, error) {
	p, err := b.spawn(nil, argv...)
	if err != nil {
		return nil, err
	}
	err = until(ctx, startTime, "a mount at "+mnt, func() (bool, error) {
		if p.isOver() {
			return false, p.failure(errors.Join(errors.New("ended at once"), p.err))
		}
		return mounted(mnt), nil
	})
	if err != nil {
		_ = p.end(mnt) // says the same
		return nil, err
	}
	return p, nil
}

// end ends a daemon, and detaches what it leaves mounted.
func (p *process) end(mnt string) error {
	err := p.stop()
	for mounted(mnt) {
		if detachErr := syscall.Unmount(mnt, syscall.MNT_DETACH); detachErr != nil {
			return errors.Join(err, fmt.Errorf("detach %s: %w", mnt, detachErr))
		}
		err = errors.Join(err, p.failure(errors.New("left its mount behind")))
	}
	return err
}

// mounted tells whether something is mounted at dir or below it
// (proc_pid_mountinfo(5)).
func mounted(dir string) bool {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			return true
		}
	}
	return false
}

// until waits for a condition.
func until(ctx context.Context, limit time.Duration, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v for %s", limit, what))
	defer cancel()
	const often = 10 * time.Millisecond
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(often):
		}
	}
}

// inParallel runs do for 0 to n-1, some at a time, and returns the first error.
func inParallel(n, workers int, do func(i int) error) error {
	var group sync.WaitGroup
	var once sync.Once
	var first error
	work := make(chan int)
	for range min(n, workers) {
		group.Go(func() {
			for i := range work {
				if err := do(i); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
	return first
}
