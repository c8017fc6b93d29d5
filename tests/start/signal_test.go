package start

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// export returns an image's bytes as the rbd command has them.
func export(t *testing.T, c *cluster.Cluster, pool, image string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	if _, err := c.RBD(t.Context(), "export", "--no-progress", pool+"/"+image, path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write makes a file and leaves it open, its writes not flushed.
func write(t *testing.T, path string, data []byte) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

// me is how a message names this process.
func me(t *testing.T) string {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), os.Getpid())
}

func TestSignalsWhenIdle(t *testing.T) {
	pool := suite.cluster.Pool(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		dir := mountDir(t)
		p := foreground(t, suite.cluster, pool, dir)
		data := []byte("before " + sig.String())
		f := write(t, filepath.Join(dir, "vm"), data)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		p.signal(t, sig)
		checkEnd(t, p, dir, 0)
		if got := export(t, suite.cluster, pool, "vm"); !bytes.Equal(got, data) {
			t.Errorf("%v: the image holds %q", sig, got)
		}
	}
}

func TestSignalsWhileInUse(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	p := foreground(t, suite.cluster, pool, dir)
	f := write(t, filepath.Join(dir, "vm1"), []byte("first"))
	p.signal(t, syscall.SIGINT)
	eventually(t, "the log to name the image and its holder", func() bool {
		log := p.stderr.String()
		return strings.Contains(log, "images=vm1") && strings.Contains(log, me(t)+": vm1")
	})
	p.signal(t, syscall.SIGHUP) // never counts as the second
	eventually(t, "a second refusal", func() bool { return strings.Count(p.stderr.String(), "goes on serving") == 2 })
	if _, err := f.WriteString(" second"); err != nil {
		t.Errorf("does not go on serving: %v", err)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || string(got) != "first second" {
		t.Errorf("reads %q, %v", got, err)
	}
	p.signal(t, syscall.SIGTERM)
	checkEnd(t, p, dir, 0)
	if _, err := f.WriteString("third"); err == nil {
		t.Error("a write succeeded after the end")
	}
	if got := export(t, suite.cluster, pool, "vm1"); string(got) != "first second" {
		t.Errorf("the image holds %q", got)
	}
}

func TestMappedMemoryIsWrittenBack(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	p := foreground(t, suite.cluster, pool, dir)
	f := write(t, filepath.Join(dir, "vm"), make([]byte, 8192))
	memory, err := syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(memory) }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	copy(memory[4000:], "mapped")
	p.signal(t, syscall.SIGTERM)
	eventually(t, "the log to name the holder of a mapping", func() bool {
		return strings.Contains(p.stderr.String(), me(t)+": vm")
	})
	p.signal(t, syscall.SIGTERM)
	checkEnd(t, p, dir, 0)
	if got := export(t, suite.cluster, pool, "vm"); !bytes.Contains(got, []byte("mapped")) {
		t.Error("the image lacks what was written to memory")
	}
}

func TestLoopDeviceIsNamed(t *testing.T) {
	dir := mountDir(t)
	p := foreground(t, suite.cluster, suite.cluster.Pool(t), dir)
	path := filepath.Join(dir, "disk")
	if err := write(t, path, make([]byte, 1<<20)).Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", path).CombinedOutput()
	if err != nil {
		t.Skipf("needs loop devices: %v: %s", err, out)
	}
	loop := strings.TrimSpace(string(out))
	detach := func() { _ = exec.Command("losetup", "--detach", loop).Run() }
	t.Cleanup(detach)
	r := rbdfs(t, "umount", dir)
	if r.code != 61 || !strings.Contains(r.stderr, loop+": disk") {
		t.Errorf("umount: %+v, not about %s", r, loop)
	}
	checkSentence(t, r)
	detach()
	eventually(t, "the loop device to let go", func() bool { return rbdfs(t, "umount", dir).code == 0 })
	checkEnd(t, p, dir, 0)
}

func TestUnmountedByOthers(t *testing.T) {
	for _, argv := range [][]string{{"umount"}, {"umount", "-l"}, {"fusermount3", "-u"}} {
		dir := mountDir(t)
		p := foreground(t, suite.cluster, cluster.DefaultPool, dir)
		if out, err := exec.Command(argv[0], append(argv[1:], dir)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
		checkEnd(t, p, dir, 0)
	}
}

// TestLazyUnmount checks that a daemon whose place in the tree another mount has
// taken neither ends with files open nor unmounts the other.
func TestLazyUnmount(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	first := foreground(t, suite.cluster, pool, dir)
	f := write(t, filepath.Join(dir, "vm"), []byte("data"))
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	second := foreground(t, suite.cluster, pool, dir)
	first.signal(t, syscall.SIGTERM)
	eventually(t, "a refusal", func() bool { return strings.Contains(first.stderr.String(), "goes on serving") })
	if _, err := os.ReadDir(dir); err != nil {
		t.Errorf("the second mount: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if r := first.result(t); r.code != 0 {
		t.Errorf("the first: %+v", r)
	}
	second.signal(t, syscall.SIGTERM)
	checkEnd(t, second, dir, 0)
}

func TestLogIsJSON(t *testing.T) {
	dir := mountDir(t)
	p := foreground(t, suite.cluster, cluster.DefaultPool, dir, "--log-format=json", "--log-level=debug")
	p.signal(t, syscall.SIGTERM)
	checkEnd(t, p, dir, 0)
	messages := ""
	for line := range strings.Lines(p.stderr.String()) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("not a log entry: %q, %v", line, err)
		}
		messages += entry.Msg + "\n"
	}
	if !strings.Contains(messages, "mounted") || strings.Count(messages, "\n") < 5 {
		t.Errorf("messages: %s", messages)
	}
}

func TestReaderOfTheLogGoesAway(t *testing.T) {
	dir := mountDir(t)
	script := `"$0" mount -c "$1" "$2" "$3" 2>&1 | head -n 1; exit ${PIPESTATUS[0]}`
	p := spawn(t, nil, "bash", "-c", script, suite.program, suite.cluster.Conf(), cluster.DefaultPool, dir)
	eventually(t, "the first line", func() bool { return strings.Contains(p.stdout.String(), "mounted") })
	time.Sleep(100 * time.Millisecond) // for head to end; there is nothing to see it by
	if r := rbdfs(t, "umount", dir); r.code != 0 {
		t.Errorf("umount: %+v", r)
	}
	checkEnd(t, p, dir, 0)
}

func TestEnvironment(t *testing.T) {
	c := suite.cluster
	for _, env := range [][]string{
		{"CEPH_CONF=" + c.Conf()},
		{"CEPH_ARGS=--conf " + c.Conf() + " --id rbd"},
		{"RBDFS_CONF=" + c.Conf(), "RBDFS_ID=rbd", "CEPH_CONF=/nowhere"},
		{"CEPH_CONF=" + c.Conf(), "CEPH_KEYRING=" + c.Keyring(cluster.RBD), "RBDFS_NAME=" + cluster.RBD},
	} {
		dir := mountDir(t)
		r := spawn(t, append(env, "RBDFS_BACKGROUND=1"), suite.program, "mount", cluster.DefaultPool, dir).result(t)
		if r.code != 0 {
			t.Errorf("%q: %+v", env, r)
			continue
		}
		if r := rbdfs(t, "umount", dir); r.code != 0 {
			t.Errorf("%q: %+v", env, r)
		}
	}
}
