package start

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
)

// count returns how often a text is in a file.
func count(t *testing.T, path, text string) int {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(all), text)
}

// rotate renames a log file as logrotate(8) does, and has the daemon open it anew.
func rotate(t *testing.T, pid int, path, old string) {
	t.Helper()
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new log file", func() bool {
		_, err := os.Stat(path)
		return err == nil && count(t, path, "the log file was opened anew") > 0
	})
}

// TestLogFileIsRotated checks that under load each line is in one file.
func TestLogFileIsRotated(t *testing.T) {
	const files, most = 5, 100000
	dir, log := mountDir(t), filepath.Join(t.TempDir(), "log")
	p := foreground(t, suite.cluster, cluster.DefaultPool, dir, "--log-level=debug", "--log-file", log)
	stop, done := make(chan struct{}), make(chan int)
	go func() { // each name is looked up once, and is in one line
		for n := range most {
			select {
			case <-stop:
				done <- n
				return
			default:
				_, _ = os.Stat(filepath.Join(dir, fmt.Sprintf("nothing-%06d", n)))
			}
		}
		done <- most
	}()
	for i := range files {
		rotate(t, p.Process.Pid, log, fmt.Sprintf("%s.%d", log, i))
	}
	close(stop)
	probes := <-done
	p.signal(t, syscall.SIGTERM)
	checkEnd(t, p, dir, 0)
	all := ""
	for i := range files {
		all += read(t, fmt.Sprintf("%s.%d", log, i))
	}
	all += read(t, log)
	found := map[string]int{}
	for line := range strings.Lines(all) {
		if !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, "\n") {
			t.Errorf("not a whole line: %q", line)
		}
		if _, name, ok := strings.Cut(line, "nothing-"); ok && strings.Contains(line, "LOOKUP") {
			found[name[:6]]++
		}
	}
	for n := range probes {
		if times := found[fmt.Sprintf("%06d", n)]; times != 1 {
			t.Errorf("probe %d of %d is logged %d times", n, probes, times)
		}
	}
}

// read is the text of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLogFileOfADaemon checks that SIGHUP moves all of a daemon to the new file, and
// that one that cannot be opened leaves it in the old one.
func TestLogFileOfADaemon(t *testing.T) {
	dir, log := mountDir(t), filepath.Join(t.TempDir(), "log")
	pid := background(t, cluster.DefaultPool, dir, "--log-file", log)
	rotate(t, pid, log, log+".1")
	checkDaemon(t, pid, log)
	if err := os.Rename(log, log+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old log to tell", func() bool { return count(t, log+".2", "level=ERROR") == 1 })
	if r := rbdfs(t, "umount", dir); r.code != 0 {
		t.Errorf("umount: %+v", r)
	}
	eventually(t, "the daemon to end", func() bool { return !alive(pid) })
	if count(t, log+".2", "everything is flushed") != 1 {
		t.Errorf("the old log: %s", read(t, log+".2"))
	}
}

// TestHangup checks that SIGHUP does not end a mount that is to go on without its
// terminal.
func TestHangup(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for name, argv := range map[string][]string{
		"nohup":    {"nohup", suite.program, "mount"},
		"log file": {suite.program, "mount", "--log-file", log},
	} {
		dir := mountDir(t)
		p := spawn(t, nil, append(argv, "-c", suite.cluster.Conf(), cluster.DefaultPool, dir)...)
		eventually(t, "the mount", func() bool { return mountLine(dir) != "" && listens(p.Process.Pid) })
		p.signal(t, syscall.SIGHUP)
		if name == "log file" {
			eventually(t, "word of the signal", func() bool { return count(t, log, "opened anew") == 1 })
		}
		if r := rbdfs(t, "umount", dir); r.code != 0 {
			t.Errorf("%s: umount: %+v", name, r)
		}
		checkEnd(t, p, dir, 0)
		if text := p.stderr.String(); strings.Contains(text, "hangup") {
			t.Errorf("%s: the signal was heard: %s", name, text)
		}
	}
}
