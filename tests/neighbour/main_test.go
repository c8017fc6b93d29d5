package neighbour

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

// size is that of the images, in bytes.
const size = 256 << 20

// quiet makes an image with data whose pool always answers.
func quiet(t *testing.T, m *harness.Mount) string {
	t.Helper()
	f := content.Open(t, m.Path("quiet"), os.O_RDWR|os.O_CREATE)
	_, err := f.Write(make([]byte, 4<<20))
	harness.Must(t, err)
	content.Close(t, f)
	t.Cleanup(func() { harness.Must(t, os.Remove(m.Path("quiet"))) })
	return m.Path("quiet")
}

// image is one that can be stuck.
type image struct {
	path  string
	stick func()      // its pool does not answer from now on, until the end of the test
	users []*exec.Cmd // that have it open
}

// stuck makes an image with data in a pool of its own.
func stuck(t *testing.T, m *harness.Mount) *image {
	t.Helper()
	pool := env.Cluster.Pool(t)
	ctx := context.WithoutCancel(t.Context())
	set := func(key string, args ...string) {
		_, err := env.Cluster.Ceph(ctx, append([]string{"osd", "pool", "set", pool, key}, args...)...)
		harness.Must(t, err)
	}
	env.RBD(t, "create", "--size", "256M", "--data-pool", pool, "--image-feature", "layering,exclusive-lock", env.Spec("stuck"))
	i := &image{path: m.Path("stuck")}
	t.Cleanup(func() { harness.Must(t, os.Remove(i.path)) })
	f := content.Open(t, i.path, os.O_RDWR)
	for off := int64(0); off < size; off += 4 << 20 { // an object is there
		_, err := f.WriteAt([]byte{1}, off)
		harness.Must(t, err)
	}
	content.Close(t, f)
	t.Cleanup(func() {
		set("min_size", "1")
		set("size", "1", "--yes-i-really-mean-it")
		for _, cmd := range i.users {
			_ = cmd.Wait() // killed by now
		}
	})
	i.stick = func() {
		copies := strconv.Itoa(env.Cluster.OSDs() + 1) // one more than can be
		set("size", copies, "--yes-i-really-mean-it")
		set("min_size", copies)
		inactive(t, pool)
	}
	return i
}

// inactive waits until no placement group of a pool answers.
func inactive(t *testing.T, pool string) {
	t.Helper()
	harness.Within(t, time.Minute, "the pool answers", func() error {
		out, err := env.Cluster.Ceph(t.Context(), "pg", "ls-by-pool", pool)
		if err == nil && strings.Contains(out, "active") {
			return fmt.Errorf("its placement groups are\n%s", out)
		}
		return err
	})
}

// start runs fio on the image until the end of the test. It is a process of its own, so that
// those that this one starts do not have the file open.
func (i *image) start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	harness.Need(t, "fio")
	cmd := exec.Command("fio", append([]string{"--name=stuck", "--filename=" + i.path, "--size=256M", "--direct=1",
		"--allow_file_create=0", "--thread", "--time_based", "--runtime=1h", "--output=/dev/null"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	harness.Must(t, cmd.Start())
	i.users = append(i.users, cmd)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// waiting waits until n requests of a mount have no answer.
func waiting(t *testing.T, m *harness.Mount, n int) {
	t.Helper()
	var st unix.Stat_t
	harness.Must(t, unix.Stat(m.Dir, &st))
	dir := t.TempDir()
	harness.Must(t, unix.Mount("none", dir, "fusectl", 0, "")) // it may not be at its usual place
	defer func() { harness.Must(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	path := fmt.Sprintf("%s/%d/waiting", dir, unix.Minor(st.Dev))
	harness.Within(t, time.Minute, "requests wait", func() error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if got, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || got < n {
			return fmt.Errorf("%d requests wait, want %d, %v", got, n, err)
		}
		return nil
	})
}

// goesOn wants an image to be read, by a program that begins now. The limit is a
// hundred times as long as it takes.
func goesOn(t *testing.T, path string, args ...string) {
	t.Helper()
	const reads, limit = 500, 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	args = append([]string{"--name=quiet", "--filename=" + path, "--size=4M", "--direct=1", "--rw=randread", "--bs=4k",
		"--readonly", "--norandommap", fmt.Sprint("--number_ios=", reads), "--io_size=1G"}, args...)
	cmd := exec.CommandContext(ctx, "fio", args...)
	cmd.WaitDelay = time.Second // it may not end by SIGKILL
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%d reads of another image did not end within %v: %v\n%s", reads, limit, err, out)
	}
	t.Logf("%d reads of another image took %v", reads, time.Since(begin).Round(time.Millisecond))
}
