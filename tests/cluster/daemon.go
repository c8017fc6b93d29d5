package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a daemon may take to end after SIGTERM.
const stopGrace = 20 * time.Second

// daemon is one mon, mgr or osd; it can run several times.
type daemon struct {
	name   string   // as Ceph says it: "osd.0"
	argv   []string // foreground command
	stderr string   // file that its standard error is appended to
	spawn  *spawner

	mu sync.Mutex // guards run; held through start and stop, so that they exclude each other
	// run is the running process, nil before the first start and after a stop.
	run *running
}

// running is a started process; done is closed once it was waited for, and err
// may be read then.
type running struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start starts the process if it does not run.
func (d *daemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aliveLocked() {
		return fmt.Errorf("start %s: it runs already", d.name)
	}
	out, err := os.OpenFile(d.stderr, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	defer out.Close()
	cmd := exec.Command(d.argv[0], d.argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, cleanEnv()
	// As systemd does: Debian 13 was built with osd_class_dir = lib/..., without
	// the leading slash, and an OSD that does not find its classes has no RBD.
	cmd.Dir = "/"
	if err := d.spawn.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	r := &running{cmd: cmd, done: make(chan struct{})}
	go func() {
		r.err = cmd.Wait()
		close(r.done)
	}()
	d.run = r
	return nil
}

// aliveLocked says whether the process was started and has not ended.
func (d *daemon) aliveLocked() bool {
	if d.run == nil {
		return false
	}
	select {
	case <-d.run.done:
		return false
	default:
		return true
	}
}

// stop ends the process with sig and waits; one that does not go within
// stopGrace is killed and reported.
func (d *daemon) stop(ctx context.Context, sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.aliveLocked() {
		return fmt.Errorf("stop %s: it does not run", d.name)
	}
	r := d.run
	d.run = nil
	// SIGCONT: a paused process would not act on SIGTERM.
	_ = r.cmd.Process.Signal(sig)
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		_ = r.cmd.Process.Kill()
		<-r.done
		return fmt.Errorf("stop %s: still there after %v: %w", d.name, sig, ctx.Err())
	}
}

// signal sends sig to the running process.
func (d *daemon) signal(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.aliveLocked() {
		return fmt.Errorf("send %v to %s: it does not run", sig, d.name)
	}
	return d.run.cmd.Process.Signal(sig)
}

// pid is the process id, 0 when it does not run.
func (d *daemon) pid() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.aliveLocked() {
		return 0
	}
	return d.run.cmd.Process.Pid
}

// watch returns a context that ends when the running process does, with the
// reason as its cause.
func (d *daemon) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	d.mu.Lock()
	r := d.run
	d.mu.Unlock()
	if r == nil {
		cancel(fmt.Errorf("%s was not started", d.name))
		return ctx, func() {}
	}
	go func() {
		select {
		case <-r.done:
			cancel(fmt.Errorf("%s ended: %w%s", d.name, errors.Join(r.err), tail(d.stderr)))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// tail is the end of a file as a suffix of an error message.
func tail(path string) string {
	const lines = 8
	data, _ := os.ReadFile(path)
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	if s := strings.Join(all, "\n"); s != "" {
		return ": " + s
	}
	return ""
}

// kill ends the process, if there is one, and waits for it.
func (d *daemon) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.aliveLocked() {
		_ = d.run.cmd.Process.Kill()
		<-d.run.done
	}
	d.run = nil
}
