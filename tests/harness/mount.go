package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/cluster"
)

const (
	startTime = 30 * time.Second // for a daemon to mount
	endTime   = 60 * time.Second // for a daemon to unmount and flush
)

// Options say how to mount.
type Options struct {
	Pool string   // POOL[/NAMESPACE]; the Env's pool by default
	User string   // cluster.RBD by default
	Args []string // more arguments of "rbdfs mount"
	Env  []string // more environment, "NAME=value"

	// ReadOnly says that nothing can be written, by the args or by the user's
	// caps: the mount is not warmed up, and CheckLeaks has nothing to compare with.
	ReadOnly bool
}

// Mount is a mounted pool with its daemon.
type Mount struct {
	Dir  string // where it is mounted, empty after Unmount and Kill
	Pid  int    // the daemon's
	Pool string // POOL[/NAMESPACE]

	cluster  *cluster.Cluster
	process  *os.Process
	log      *log
	janitor  *janitor
	ended    chan struct{} // closed when the daemon has ended; exit is valid then
	exit     error
	finish   sync.Once
	baseline usage
	address  string // the daemon's on the cluster, as a watcher
}

// start starts a daemon and waits until the pool is mounted.
func start(ctx context.Context, c *cluster.Cluster, binary string, o Options) (*Mount, error) {
	dir, err := os.MkdirTemp("", "rbdfs-mnt-")
	if err != nil {
		return nil, err
	}
	m := &Mount{Dir: dir, Pool: o.Pool, cluster: c, log: newLog(), ended: make(chan struct{})}
	if m.janitor, err = hire(detachScript, dir); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	id := strings.TrimPrefix(o.User, "client.")
	args := append([]string{"mount", "--conf", c.Conf(), "--id", id, o.Pool, dir}, o.Args...)
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	if err := m.run(cmd); err != nil {
		return nil, errors.Join(err, m.clean())
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := m.log.wait(ctx, regexp.MustCompile(`msg=mounted`), 0, m.ended); err != nil {
		return nil, errors.Join(err, m.Kill())
	}
	return m, nil
}

// run starts the daemon so that it dies with this process. The kernel ties that
// to the thread that forked (prctl(2), PR_SET_PDEATHSIG), so one thread is kept
// for it until it ends.
func (m *Mount) run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			m.process, m.Pid = cmd.Process, cmd.Process.Pid
		}
		started <- err
		if err == nil {
			m.exit = cmd.Wait()
			close(m.ended)
		}
	}()
	return <-started
}

// Path is the path of the file called name.
func (m *Mount) Path(name string) string { return m.Dir + "/" + name }

// Log returns what the daemon has logged so far.
func (m *Mount) Log() string { return m.log.String() }

// Exit returns how the daemon ended, after waiting for that: nil or an
// *exec.ExitError.
func (m *Mount) Exit() error {
	<-m.ended
	return m.exit
}

// Signal sends a signal to the daemon.
func (m *Mount) Signal(sig os.Signal) error { return m.process.Signal(sig) }

// Unmount asks the daemon to end by SIGTERM, and returns when everything is
// flushed and the daemon has ended. A mount that is in use is killed.
func (m *Mount) Unmount() error {
	var err error
	m.finish.Do(func() {
		err = m.process.Signal(syscall.SIGTERM)
		select {
		case <-m.ended:
			err = m.exit
		case <-time.After(endTime):
			err = fmt.Errorf("%s was not unmounted within %v:\n%s", m.Dir, endTime, m.Log())
			_ = m.process.Kill()
			<-m.ended
		}
		if left := mountedAt(m.Dir); left {
			err = errors.Join(err, fmt.Errorf("the daemon ended and left %s mounted:\n%s", m.Dir, m.Log()))
		}
		err = errors.Join(err, m.clean())
	})
	return err
}

// Kill ends the daemon by SIGKILL and detaches the dead mount. The cluster keeps
// the daemon's watchers for 30 s.
func (m *Mount) Kill() error {
	var err error
	m.finish.Do(func() {
		_ = m.process.Kill() // fails when it has ended already
		<-m.ended
		err = m.clean()
	})
	return err
}

// clean detaches what is still mounted and removes the directory.
func (m *Mount) clean() error {
	for mountedAt(m.Dir) {
		if err := unix.Unmount(m.Dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("detach %s: %w", m.Dir, err)
		}
	}
	return errors.Join(os.Remove(m.Dir), m.janitor.dismiss())
}

// mountedAt tells whether something is mounted on dir (proc_pid_mountinfo(5)).
func mountedAt(dir string) bool {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == dir {
			return true
		}
	}
	return false
}
