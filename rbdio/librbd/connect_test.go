package librbd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// connectStep connects, which must fail, and returns where it did.
func connectStep(t *testing.T, cfg Config) *StartError {
	t.Helper()
	begin := time.Now()
	p, err := Connect(cfg)
	if err == nil {
		_ = p.Close()
		t.Fatal("connected")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	var start *StartError
	if !errors.As(err, &start) {
		t.Fatalf("%v is a %T", err, err)
	}
	t.Log(err)
	return start
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	good := Config{Conf: ceph.Conf(), Name: cluster.RBD, Pool: ceph.Pool(t)}
	raw := "raw-" + filepath.Base(dir)
	cephCommand(t, "osd", "pool", "create", raw)
	t.Cleanup(func() { cleanPool(t, raw) })
	// With no caps at all for OSDs, those of Ceph 18 do not answer.
	blind, err := ceph.CreateUser(t.Context(),
		cluster.Cap{Service: "mon", Allow: "profile rbd"}, cluster.Cap{Service: "osd", Allow: "profile rbd pool=another"})
	must(t, err)
	foreign := write("foreign.keyring", "[client.rbd]\n\tkey = AQBnTrBoAAAAABAA0000000000000000000000==\n")
	tests := []struct {
		name   string
		change func(*Config)
		want   Step
	}{
		{"conf missing", func(c *Config) { c.Conf = filepath.Join(dir, "none") }, ConfMissing},
		{"conf a folder", func(c *Config) { c.Conf = dir }, ConfUnreadable},
		{"conf nonsense", func(c *Config) { c.Conf = write("nonsense", "[global\nfoo") }, ConfUnreadable},
		{"conf without monitors", func(c *Config) { c.Conf = write("empty", "[global]\n") }, ConfUnreadable},
		{"keyring missing", func(c *Config) { c.Keyring = filepath.Join(dir, "none.keyring") }, KeyringMissing},
		{"unknown user", func(c *Config) { c.Name = "client.nobody" }, KeyringMissing},
		{"unknown user with a keyring", func(c *Config) { c.Name, c.Keyring = "client.nobody", ceph.Keyring(cluster.RBD) }, AuthRefused},
		{"wrong key", func(c *Config) { c.Keyring = foreign }, AuthRefused},
		{"monitors silent", func(c *Config) { c.MonHost = "127.0.0.1:1" }, MonitorsSilent},
		{"monitors nonsense", func(c *Config) { c.MonHost = "no.such.host.invalid" }, ConfUnreadable},
		{"no pool", func(c *Config) { c.Pool = "none" }, NoPool},
		{"no data pool", func(c *Config) { c.DataPool = "none" }, NoPool},
		{"no namespace", func(c *Config) { c.Namespace = "none" }, NoNamespace},
		{"not initialised", func(c *Config) { c.Pool = raw }, NotInitialised},
		{"caps too small", func(c *Config) { c.Name = blind }, CapsTooSmall},
		{"caps of a namespace", func(c *Config) { c.Name, c.Pool = cluster.RBDNamespace, cluster.DefaultPool }, CapsTooSmall},
		{"option without a value", func(c *Config) { c.Options = []string{"debug_ms"} }, BadOption},
		{"option unknown", func(c *Config) { c.Options = []string{"no_such_option=1"} }, BadOption},
		{"option's value", func(c *Config) { c.Options = []string{"client_mount_timeout=soon"} }, BadOption},
		{"feature unknown", func(c *Config) { c.Features = []string{"none"} }, BadOption},
		{"object size", func(c *Config) { c.ObjectSize = 5000 }, BadOption},
		{"cache", func(c *Config) { c.Cache = "some" }, BadOption},
		{"two users", func(c *Config) { c.ID = "admin" }, BadOption},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			if got := connectStep(t, cfg); got.Step != test.want {
				t.Errorf("step %q, want %q", got.Step, test.want)
			}
		})
	}
}

// Ceph's conventions name conf and user in the environment, and options win.
func TestConnectByEnvironment(t *testing.T) {
	pool := ceph.Pool(t)
	tests := []struct {
		name                string
		conf, args, keyring string // environment
		cfg                 Config
	}{
		{"CEPH_CONF", ceph.Conf(), "", "", Config{ID: "rbd"}},
		{"CEPH_ARGS user", ceph.Conf(), "--id rbd", "", Config{}},
		{"CEPH_ARGS conf", "/none", "--name=client.rbd -c " + ceph.Conf(), "", Config{}},
		{"CEPH_ARGS overruled", "/none", "--id nobody -c /none", "", Config{Conf: ceph.Conf(), Name: cluster.RBD}},
		{"CEPH_KEYRING", ceph.Conf(), "", ceph.Keyring(cluster.RBD), Config{ID: "rbd"}},
		{"keyring overruled", ceph.Conf(), "", "/none", Config{ID: "rbd", Keyring: ceph.Keyring(cluster.RBD)}},
		{"no conf at all", "", "", "", Config{ID: "rbd", Keyring: ceph.Keyring(cluster.RBD), MonHost: monHost(t)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CEPH_CONF", test.conf)
			t.Setenv("CEPH_ARGS", test.args)
			t.Setenv("CEPH_KEYRING", test.keyring)
			if test.keyring == "" {
				must(t, os.Unsetenv("CEPH_KEYRING"))
			}
			if test.conf == "" {
				must(t, os.Unsetenv("CEPH_CONF"))
			}
			test.cfg.Pool = pool
			p, err := Connect(test.cfg)
			must(t, err)
			must(t, p.Close())
		})
	}
}

// monHost takes the monitors' addresses out of the cluster's conf.
func monHost(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(ceph.Conf())
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "mon_host" {
			return strings.TrimSpace(value)
		}
	}
	t.Fatal("no mon_host in ", ceph.Conf())
	return ""
}

// Options are in force, the user's last.
func TestConnectOptions(t *testing.T) {
	pool := ceph.Pool(t)
	tests := []struct {
		cfg  Config
		want map[string]string
	}{
		{Config{}, map[string]string{
			"rbd_cache": "false", "rbd_cache_policy": "writearound", copyOption: "true", "client_mount_timeout": "8",
			"log_to_stderr": "false", "err_to_stderr": "false", "rados_osd_op_timeout": "0",
		}},
		{Config{Cache: WriteThrough}, map[string]string{"rbd_cache": "false"}},
		{Config{Cache: NoCache, IOTimeout: 1500 * time.Millisecond}, map[string]string{
			"rbd_cache": "false", "rados_osd_op_timeout": "2", "rados_mon_op_timeout": "2",
		}},
		{Config{Cache: NoCache, Options: []string{"rbd_plugins=parent_cache", "client_mount_timeout=5", "log_to_stderr=true"}}, map[string]string{
			"rbd_plugins": "parent_cache", "client_mount_timeout": "5", "log_to_stderr": "true",
		}},
	}
	for _, test := range tests {
		test.cfg.Conf, test.cfg.Name, test.cfg.Pool = ceph.Conf(), cluster.RBD, pool
		p, err := Connect(test.cfg)
		must(t, err)
		for key, want := range test.want {
			if got := option(p.current.conn, key); got != want {
				t.Errorf("%+v: %s is %q, want %q", test.cfg, key, got, want)
			}
		}
		must(t, p.Close())
	}
}

// Connections that ended, and attempts that failed, leave no thread and no file.
func TestConnectLeavesNothing(t *testing.T) {
	pool := ceph.Pool(t)
	cfg := Config{Conf: ceph.Conf(), Name: cluster.RBD, Pool: pool}
	use := func() {
		for _, change := range []func(*Config){
			func(*Config) {},
			func(c *Config) { c.Pool = "none" },
			func(c *Config) { c.Keyring = "/none" },
			func(c *Config) { c.Options = []string{"none=1"} },
		} {
			cfg := cfg
			change(&cfg)
			p, err := Connect(cfg)
			if err != nil {
				continue
			}
			id, err := p.Create("img")
			if err != nil {
				id, err = p.Lookup("img")
			}
			must(t, err)
			img, err := p.Open(id)
			must(t, err)
			must(t, img.Close())
			must(t, p.Close())
		}
	}
	use() // what is made once for the process
	threads, files := count(t, "/proc/self/task"), count(t, "/proc/self/fd")
	for range 3 {
		use()
	}
	// Go's own threads come and go, one or two at a time; a connection has dozens.
	waitFor(t, "threads and files are gone", func() bool {
		return count(t, "/proc/self/task") <= threads+4 && count(t, "/proc/self/fd") <= files
	})
}

// count is the number of entries of a folder.
func count(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	return len(list)
}
