package start

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
	"rbdfs/tests/harness"
)

// devDir makes a folder to be a daemon's /dev: the machine's own log hears nothing
// of these tests, and need not be there.
func devDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rbdfs-dev-") // short, as a socket's name must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "random": 8, "urandom": 9} {
		if err := syscall.Mknod(filepath.Join(dir, name), syscall.S_IFCHR|0o666, int(1<<8|minor)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mknod(filepath.Join(dir, "fuse"), syscall.S_IFCHR|0o666, 10<<8|229); err != nil {
		t.Fatal(err)
	}
	return dir
}

// withDev mounts in the background, in a mount namespace of its own in which dev is
// /dev. It returns the daemon and the mounted directory as others can reach it.
func withDev(t *testing.T, dev string, flags ...string) (r result, pid int, reach string) {
	t.Helper()
	dir := mountDir(t)
	argv := append([]string{"unshare", "--mount", "sh", "-c", harness.Apart + `mount --bind "$0" /dev && exec "$@"`, dev,
		suite.program, "mount", "-c", suite.cluster.Conf(), "--background", cluster.DefaultPool, dir}, flags...)
	r = spawn(t, nil, argv...).result(t)
	if r.code != 0 {
		t.Fatalf("mount: %+v", r)
	}
	pid = daemonOf(t, dir)
	return r, pid, fmt.Sprintf("/proc/%d/root%s", pid, dir)
}

// systemLog stands for the system's log of a /dev.
type systemLog struct {
	*net.UnixConn
	lockedBuffer // what was logged
}

// listenLog makes the socket. Nobody reads it yet.
func listenLog(t *testing.T, dev string) *systemLog {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dev, "log"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &systemLog{UnixConn: conn}
}

// read collects what is logged until the socket is closed.
func (l *systemLog) read() {
	for buf := make([]byte, 1<<17); ; {
		n, err := l.UnixConn.Read(buf)
		if err != nil {
			return
		}
		_, _ = l.lockedBuffer.Write(buf[:n])
	}
}

// waitFor waits for a pattern in the log.
func (l *systemLog) waitFor(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	eventually(t, "the system's log to have "+pattern, func() bool { return re.MatchString(l.lockedBuffer.String()) })
}

// endDaemon ends a daemon whose mount is idle.
func endDaemon(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon to end", func() bool { return !alive(pid) })
}

// TestSystemLog checks the log of a daemon without a log file: each level with its
// priority (RFC 3164: 3 is the facility daemon), also after the log was started
// again, and to the last line.
func TestSystemLog(t *testing.T) {
	dev := devDir(t)
	log := listenLog(t, dev)
	go log.read()
	r, pid, dir := withDev(t, dev)
	if r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
	line := `<%d>\w{3} [ \d]\d [\d:]{8} rbdfs\[` + strconv.Itoa(pid) + `\]: time=\S+ level=%s msg=%s`
	log.waitFor(t, fmt.Sprintf(line, 3*8+6, "INFO", "mounted"))
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log.waitFor(t, fmt.Sprintf(line, 3*8+4, "WARN", `"the mount is in use`))

	if err := errors.Join(log.Close(), os.Remove(filepath.Join(dev, "log"))); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil { // the second: it ends
		t.Fatal(err)
	}
	again := listenLog(t, dev)
	go again.read()
	again.waitFor(t, fmt.Sprintf(line, 3*8+4, "WARN", `"ending the mount while it is in use`))
	again.waitFor(t, fmt.Sprintf(line, 3*8+6, "INFO", `"unmounted, everything is flushed`))
	eventually(t, "the daemon to end", func() bool { return !alive(pid) })
}

// TestNoSystemLog checks that a daemon says so at its start, works, and has kept its
// lines for a log that is started later.
func TestNoSystemLog(t *testing.T) {
	dev := devDir(t)
	r, pid, _ := withDev(t, dev)
	if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "rbdfs: ") || !strings.Contains(r.stderr, "--log-file") {
		t.Errorf("stderr: %q", r.stderr)
	}
	log := listenLog(t, dev)
	go log.read()
	log.waitFor(t, "level=INFO msg=mounted")
	endDaemon(t, pid)
	log.waitFor(t, "everything is flushed")
}

// TestStuckSystemLog checks that a log that takes no lines any more keeps no file
// operation waiting, and that the lines lost by that are counted in it.
func TestStuckSystemLog(t *testing.T) {
	dev := devDir(t)
	log := listenLog(t, dev)
	_, pid, dir := withDev(t, dev, "--log-level=debug")
	for i := range 2000 {
		// Each is a request, and two lines of the log.
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("nothing-%0200d", i))); !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	go log.read()
	log.waitFor(t, `<27>.*lines of the log are missing here.* lines=\d+`)
	endDaemon(t, pid)
	log.waitFor(t, "everything is flushed")
}
