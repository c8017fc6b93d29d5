package start

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
)

// background mounts and returns the daemon's process id.
func background(t *testing.T, pool, dir string, flags ...string) int {
	t.Helper()
	r := rbdfs(t, append([]string{"mount", "-c", suite.cluster.Conf(), "--background", pool, dir}, flags...)...)
	if r.code != 0 {
		t.Fatalf("mount: %+v", r)
	}
	return daemonOf(t, dir)
}

// daemonOf finds the daemon of a mount by its command line, which ends when the
// test does.
func daemonOf(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		words := strings.Split(string(line), "\x00")
		if words[0] == suite.program && strings.Contains(string(line), dir) {
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			return pid
		}
	}
	t.Fatalf("no daemon of %s", dir)
	return 0
}

// alive tells whether a process is there. One that has ended and was not waited
// for does not count.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestBackground(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	log := filepath.Join(t.TempDir(), "log")
	r := rbdfs(t, "mount", "-c", suite.cluster.Conf(), "--background", "--log-file", log, pool, dir)
	if r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Fatalf("mount: %+v", r)
	}
	// No waiting: the mount answers when the command returns.
	if err := os.WriteFile(filepath.Join(dir, "vm"), []byte("data"), 0o600); err != nil {
		t.Error(err)
	}
	pid := daemonOf(t, dir)
	checkDaemon(t, pid, log)
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	if r := rbdfs(t, "umount", dir); r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Errorf("umount: %+v", r)
	}
	// umount waits for the flush, so at most the exit itself is left.
	eventually(t, "the daemon to end", func() bool { return !alive(pid) })
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "msg=mounted") || !strings.Contains(string(text), "everything is flushed") {
		t.Errorf("log: %s, %v", text, err)
	}
}

// checkDaemon checks that a daemon has let go of where it was started.
func checkDaemon(t *testing.T, pid int, log string) {
	t.Helper()
	if sid, _, err := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0); int(sid) != pid {
		t.Errorf("session %d of process %d, %v", sid, pid, err)
	}
	for link, want := range map[string]string{"fd/0": os.DevNull, "fd/1": log, "fd/2": log, "cwd": "/"} {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, link)); got != want {
			t.Errorf("%s is %q, %v", link, got, err)
		}
	}
}

func TestBackgroundByRelativePaths(t *testing.T) {
	dir := mountDir(t)
	conf, err := os.ReadFile(suite.cluster.Conf())
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Dir(dir)
	if err := os.WriteFile(filepath.Join(base, "ceph.conf"), conf, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(base)
	r := rbdfs(t, "mount", "--background", "-c", "ceph.conf", "--log-file", "log", cluster.DefaultPool, "mnt")
	if r.code != 0 || mountLine(dir) == "" {
		t.Fatalf("mount: %+v", r)
	}
	if r := rbdfs(t, "umount", "mnt/"); r.code != 0 || mountLine(dir) != "" {
		t.Errorf("umount: %+v", r)
	}
}

func TestBackgroundSignals(t *testing.T) {
	dir := mountDir(t)
	pid := background(t, suite.cluster.Pool(t), dir)
	f := write(t, filepath.Join(dir, "vm"), []byte("data"))
	r := rbdfs(t, "umount", dir)
	if r.code != 61 || !strings.Contains(r.stderr, me(t)+": vm") {
		t.Errorf("umount while in use: %+v", r)
	}
	checkSentence(t, r)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon to end", func() bool { return !alive(pid) })
	if line := mountLine(dir); line != "" {
		t.Errorf("left: %s", line)
	}
}

// starting starts a daemon that hangs, since no monitor answers, and returns
// its parent and its own process id.
func starting(t *testing.T, dir string) (parent *process, child int) {
	t.Helper()
	parent = spawn(t, nil, suite.program, "mount", "-c", suite.cluster.Conf(), "-m", "127.0.0.1:1", "--background", cluster.DefaultPool, dir)
	tasks := fmt.Sprintf("/proc/%d/task", parent.Process.Pid)
	eventually(t, "the daemon to start", func() bool {
		children, _ := filepath.Glob(filepath.Join(tasks, "*/children"))
		for _, file := range children {
			text, _ := os.ReadFile(file)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				child = pid
			}
		}
		// Not the short-lived child by which the Go runtime looks for pidfds.
		return child != 0 && connecting(child)
	})
	return parent, child
}

func TestDaemonKilledWhileStarting(t *testing.T) {
	dir := mountDir(t)
	parent, child := starting(t, dir)
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r := parent.result(t)
	if r.code != 50 || mountLine(dir) != "" {
		t.Errorf("%+v", r)
	}
	checkSentence(t, r)
}

func TestInterruptedWhileStarting(t *testing.T) {
	dir := mountDir(t)
	parent, child := starting(t, dir)
	parent.signal(t, syscall.SIGINT)
	if r := parent.result(t); r.code != 4 || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("background: %+v", r)
	}
	if alive(child) {
		t.Error("the daemon is left")
	}
	p := spawn(t, nil, suite.program, "mount", "-c", suite.cluster.Conf(), "-m", "127.0.0.1:1", cluster.DefaultPool, dir)
	eventually(t, "connecting to begin", func() bool { return connecting(p.Process.Pid) })
	p.signal(t, syscall.SIGTERM)
	if r := p.result(t); r.code != 4 || strings.Count(r.stderr, "\n") != 1 || r.took > limit/2 {
		t.Errorf("foreground: %+v", r)
	}
}

// connecting tells whether a process has threads of librados.
func connecting(pid int) bool {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
	for _, file := range names {
		name, _ := os.ReadFile(file)
		if strings.HasPrefix(string(name), "msgr-worker") {
			return true
		}
	}
	return false
}

func TestUmountOfSomethingElse(t *testing.T) {
	dir := mountDir(t)
	for _, path := range []string{dir, "/proc", "/", "/nowhere", filepath.Join(dir, "nowhere/nowhere")} {
		r := rbdfs(t, "umount", path)
		if r.code != 60 {
			t.Errorf("%s: %+v", path, r)
		}
		checkSentence(t, r)
	}
	if _, err := os.Stat("/proc/self"); errors.Is(err, os.ErrNotExist) {
		t.Fatal("/proc was unmounted")
	}
}

func TestUmountOfADeadMount(t *testing.T) {
	dir := mountDir(t)
	p := foreground(t, suite.cluster, cluster.DefaultPool, dir)
	p.signal(t, syscall.SIGKILL)
	<-p.done
	if r := rbdfs(t, "umount", dir); r.code != 0 || mountLine(dir) != "" {
		t.Errorf("umount: %+v", r)
	}
}
