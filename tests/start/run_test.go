package start

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// result is how a process ended.
type result struct {
	stdout, stderr string
	code           int // -1 for a signal
	took           time.Duration
}

// process is a running rbdfs, or what wraps it.
type process struct {
	*exec.Cmd
	stdout, stderr lockedBuffer
	began          time.Time
	done           chan struct{} // closed once it was waited for
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write appends.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all that was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// spawn starts a command whose environment names no cluster, but for env.
func spawn(t *testing.T, env []string, argv ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(argv[0], argv[1:]...), began: time.Now(), done: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CEPH_") && !strings.HasPrefix(v, "RBDFS_") {
			p.Env = append(p.Env, v)
		}
	}
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	p.WaitDelay = time.Second // a daemon that is left over must not keep us
	if err := p.startOnThread(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.done
	})
	return p
}

// startOnThread starts the process so that it dies with this one, even should
// the tests run out of time: a daemon without its cluster keeps whoever has its
// files open. The kernel ties that to the thread that forked (prctl(2),
// PR_SET_PDEATHSIG), so the thread is kept until the process ends.
func (p *process) startOnThread() error {
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.Start()
		started <- err
		if err == nil {
			_ = p.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// result waits for the end of the process.
func (p *process) result(t *testing.T) result {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%q does not end; stderr: %s", p.Args, p.stderr.String())
	}
	return result{p.stdout.String(), p.stderr.String(), p.ProcessState.ExitCode(), time.Since(p.began)}
}

// running tells whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to the process.
func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// rbdfs runs rbdfs to its end.
func rbdfs(t *testing.T, args ...string) result {
	t.Helper()
	return spawn(t, nil, append([]string{suite.program}, args...)...).result(t)
}

// mountDir makes an empty directory and takes away what is left mounted on it.
func mountDir(t *testing.T) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for mountLine(dir) != "" {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", dir, err)
				return
			}
		}
	})
	return dir
}

// mountLine is the line of /proc/self/mountinfo for the newest mount on dir.
func mountLine(dir string) string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	found := ""
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == dir {
			found = line
		}
	}
	return found
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// foreground mounts the pool and waits until it answers.
func foreground(t *testing.T, c *cluster.Cluster, pool, dir string, flags ...string) *process {
	t.Helper()
	argv := append([]string{suite.program, "mount", "-c", c.Conf(), pool, dir}, flags...)
	p := spawn(t, nil, argv...)
	eventually(t, "the mount on "+dir, func() bool {
		if !p.running() {
			t.Fatalf("rbdfs ended: %s", p.stderr.String())
		}
		if !strings.Contains(mountLine(dir), "fuse.rbdfs") {
			return false
		}
		_, err := os.ReadDir(dir)
		return err == nil && listens(p.Process.Pid)
	})
	return p
}

// listens tells whether a daemon has its control socket: then it has mounted, and
// does not use its own mount any more, as go-fuse does at first.
func listens(pid int) bool {
	sockets, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		if strings.Contains(line, "@rbdfs/") && strings.HasSuffix(line, fmt.Sprintf("/%d\n", pid)) {
			return true
		}
	}
	return false
}

// checkEnd checks that a mount ended in order.
func checkEnd(t *testing.T, p *process, dir string, code int) {
	t.Helper()
	if r := p.result(t); r.code != code {
		t.Errorf("exit code %d, not %d; stderr: %s", r.code, code, r.stderr)
	}
	if line := mountLine(dir); line != "" {
		t.Errorf("still mounted: %s", line)
	}
}

// checkSentence checks that there is one line on stderr, and that it says what
// to do: after a semicolon.
func checkSentence(t *testing.T, r result) {
	t.Helper()
	if !strings.HasPrefix(r.stderr, "rbdfs: ") || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, ";") {
		t.Errorf("not one sentence that says what to do: %q", r.stderr)
	}
	if r.stdout != "" {
		t.Errorf("stdout: %q", r.stdout)
	}
}

// dead tells whether a directory is a mount without a daemon.
func dead(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, syscall.ENOTCONN)
}
