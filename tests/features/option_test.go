package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestNewImages makes images with the mount's options for them.
func TestNewImages(t *testing.T) {
	pool := env.Pool + "-data"
	if err := env.Cluster.CreatePool(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	m := env.Start(t, harness.Options{Args: []string{
		"--object-size", "64K", "--image-features", "layering,exclusive-lock", "--data-pool", pool,
	}})
	image := imageName(t)
	if err := os.WriteFile(m.Path(image), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	var info struct {
		Size       int64
		ObjectSize int64    `json:"object_size"`
		DataPool   string   `json:"data_pool"`
		Features   []string `json:"features"`
	}
	if err := json.Unmarshal([]byte(rbd(t, "info", "--format", "json", spec(image))), &info); err != nil {
		t.Fatal(err)
	}
	if info.Size != 4 || info.ObjectSize != 64<<10 || info.DataPool != pool {
		t.Errorf("rbd info: %+v", info)
	}
	if want := []string{"layering", "exclusive-lock", "data-pool"}; !slices.Equal(info.Features, want) {
		t.Errorf("features %v, want %v", info.Features, want)
	}
	if err := os.Remove(m.Path(image)); err != nil {
		t.Fatal(err)
	}
}

// TestCacheModes writes and reads with each mode of librbd's cache; what was
// closed is there for others in each.
func TestCacheModes(t *testing.T) {
	for _, mode := range []string{"writeback", "writethrough", "none"} {
		t.Run(mode, func(t *testing.T) {
			m := env.Start(t, harness.Options{Args: []string{"--cache=" + mode}})
			image := imageName(t)
			rbd(t, "create", "--size", bytesArg(9_000_001), spec(image))
			c := content.New(t, 9_000_001)
			for range 2 {
				c.Scribble(t, m.Path(image), 20)
				c.Check(t, m.Path(image))
				c.CheckExport(t, env.Cluster, spec(image))
			}
		})
	}
}

// TestUnsafeOptions sets librbd's cache for an image or a pool: fsync would tell nobody
// of data that is lost, and a reader would not see what another host has written.
func TestUnsafeOptions(t *testing.T) {
	pool := env.Cluster.Pool(t)
	m := env.Start(t, harness.Options{Pool: pool})
	m.ExpectLog(t, `level=WARN msg="not opened: with rbd_cache`)
	for _, level := range []string{"image", "pool"} {
		path := m.Path(level)
		rbd(t, "create", "--size", "4M", pool+"/"+level)
		of := map[string]string{"image": pool + "/" + level, "pool": pool}[level]
		rbd(t, "config", level, "set", of, "rbd_cache", "true")
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		w.Close() // of nil otherwise
		harness.Want(t, "open for writing with the cache", err, syscall.EOPNOTSUPP)
		m.WaitLog(t, `rbd config `+level+` rm `+of+` rbd_cache`)
		f, err := os.Open(path)
		harness.Must(t, err)
		content.Close(t, f)
		rbd(t, "config", level, "set", of, "rbd_cache_policy", "writeback")
		harness.Soon(t, "open for reading with a cache that keeps", func() error {
			f, err := os.Open(path)
			if errors.Is(err, syscall.EOPNOTSUPP) {
				return nil
			}
			if err == nil {
				f.Close()
			}
			return fmt.Errorf("it is opened: %w", err)
		})
		rbd(t, "config", level, "rm", of, "rbd_cache")
		harness.Must(t, os.WriteFile(path, []byte("data"), 0o600))
	}
}

// TestOptionsOverridden has options in ceph.conf and in the monitors' configuration
// that are not safe: the mount has its own.
func TestOptionsOverridden(t *testing.T) {
	text, err := os.ReadFile(env.Cluster.Conf())
	harness.Must(t, err)
	conf := filepath.Join(t.TempDir(), "ceph.conf")
	text = append(text, "\n[client]\nrbd_cache = true\nrbd_cache_policy = writeback\nrbd_plugins = pwl_cache\n"...)
	harness.Must(t, os.WriteFile(conf, text, 0o600))
	for _, o := range []string{"rbd_cache true", "rbd_cache_policy writeback", "rbd_disable_zero_copy_writes false"} {
		args := append([]string{"config", "set", "client"}, strings.Fields(o)...)
		_, err := env.Cluster.Ceph(t.Context(), args...)
		harness.Must(t, err)
		t.Cleanup(func() { _, _ = env.Cluster.Ceph(context.Background(), "config", "rm", "client", args[3]) })
	}
	m := env.Start(t, harness.Options{Args: []string{"--conf", conf}})
	image := imageName(t)
	rbd(t, "create", "--size", bytesArg(9_000_001), spec(image))
	c := content.New(t, 9_000_001)
	c.Scribble(t, m.Path(image), 20)
	c.CheckExport(t, env.Cluster, spec(image))
}

// TestMountFlags finds nosuid and nodev in mountinfo, and ro when asked for.
func TestMountFlags(t *testing.T) {
	ro := env.Start(t, harness.Options{Args: []string{"--read-only"}, ReadOnly: true})
	for m, want := range map[*harness.Mount]string{env.Mount: "rw,nosuid,nodev", ro: "ro,nosuid,nodev"} {
		if got := mountOptions(t, m.Dir); !strings.HasPrefix(got, want) {
			t.Errorf("mountinfo: %q, want %q", got, want)
		}
	}
}

// mountOptions are the sixth field of proc_pid_mountinfo(5), of the mount at dir.
func mountOptions(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == dir {
			return f[5]
		}
	}
	t.Fatalf("%s is not mounted", dir)
	return ""
}

// stranger is a user id that owns nothing else on the machine.
const stranger = 54321

// as runs a shell command as another user.
func as(t *testing.T, uid int, command string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	id := uint32(uid)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// TestOwnerAndModes shows images as the options say, and the kernel holds others
// to it.
func TestOwnerAndModes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to act as another user")
	}
	image := imageName(t)
	filled(t, image, 100_000)
	m := env.Start(t, harness.Options{Args: []string{
		"--allow-other", "--uid", "54321", "--gid", "77", "--file-mode", "0640", "--dir-mode", "0750",
	}})
	path := m.Path(image)
	if st := content.Stat(t, path); st.Uid != stranger || st.Gid != 77 || st.Mode != syscall.S_IFREG|0o640 {
		t.Errorf("the image is %d:%d, mode %o", st.Uid, st.Gid, st.Mode)
	}
	if st := content.Stat(t, m.Dir); st.Uid != stranger || st.Gid != 77 || st.Mode != syscall.S_IFDIR|0o750 {
		t.Errorf("the root is %d:%d, mode %o", st.Uid, st.Gid, st.Mode)
	}
	steps := []struct {
		uid     int
		command string
		allowed bool
	}{
		{stranger, "cat " + path + " >/dev/null && echo x >>" + path, true},
		{stranger, "touch " + m.Path("hers") + " && chmod 600 " + m.Path("hers"), true},
		{stranger + 1, "ls " + m.Dir, false},
		{stranger + 1, "cat " + path, false},
		{0, "chmod 604 " + path + " && chown 0:0 " + path, true},
		{stranger, "cat " + path + " >/dev/null", true},
		{stranger, "echo x >>" + path, false},
		{stranger, "chmod 666 " + path, false},
		{stranger, "rm " + m.Path("hers"), true},
	}
	for _, s := range steps {
		if err := as(t, s.uid, s.command); (err == nil) != s.allowed {
			t.Errorf("as %d: %s: %v", s.uid, s.command, err)
		}
	}
}

// TestOthersStayOut is the mount without --allow-other.
func TestOthersStayOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to act as another user")
	}
	m := env.Start(t, harness.Options{Args: []string{"--dir-mode", "0777", "--file-mode", "0666"}})
	if err := as(t, stranger, "ls "+m.Dir); err == nil {
		t.Error("another user may list the mount")
	}
}
