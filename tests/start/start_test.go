package start

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// limit is how long a failure to start may take.
const limit = 10 * time.Second

// badStart is a way in which rbdfs does not start. Its arguments come after
// those for the cluster and before POOL and DIR.
type badStart struct {
	name string
	code int
	args []string
	env  []string
	pool string // cluster.DefaultPool if empty
	dir  string // an empty directory if empty
	says string // a part of the sentence
}

// badConfigs are starts that fail by how the cluster is named.
func badConfigs(t *testing.T) []badStart {
	conf := suite.cluster.Conf()
	garbage := writeFile(t, "ceph.conf", "[[[\n")
	wrong := filepath.Join(t.TempDir(), "keyring")
	if out, err := exec.Command("ceph-authtool", "--create-keyring", wrong, "--gen-key", "-n", cluster.Admin).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	future := writeFile(t, "keyring", "[client.admin]\n\tkey = "+futureKey()+"\n")
	return []badStart{
		{name: "no conf", code: 10, args: []string{"-c", "/nowhere/ceph.conf"}, says: "/nowhere/ceph.conf"},
		{name: "no conf by environment", code: 10, env: []string{"CEPH_CONF=/nowhere/env.conf"}, says: "/nowhere/env.conf"},
		{name: "no conf by CEPH_ARGS", code: 10, env: []string{"CEPH_ARGS=--conf /nowhere/args.conf"}, says: "/nowhere/args.conf"},
		{name: "garbage conf", code: 11, args: []string{"-c", garbage}, says: garbage},
		{name: "monitor without address", code: 11, args: []string{"-c", conf, "-m", "no host"}, says: "no host"},
		{name: "no keyring", code: 12, args: []string{"-c", conf, "-k", "/nowhere/keyring"}, says: "/nowhere/keyring"},
		{name: "no keyring by environment", code: 12, args: []string{"-c", conf}, env: []string{"CEPH_KEYRING=/nowhere/k"}, says: "/nowhere/k"},
		{name: "no keyring in the file", code: 12, args: []string{"-c", conf, "-k", garbage}, says: garbage},
		{name: "key of an unknown type", code: 22, args: []string{"-c", conf, "-k", future}, says: future + ": the key of client.admin"},
		{name: "wrong key", code: 13, args: []string{"-c", conf, "-k", wrong}, says: cluster.Admin},
		{name: "user not in keyring", code: 13, args: []string{"-c", conf, "-k", wrong, "--id", "nobody"}, says: "client.nobody"},
		{name: "silent monitor", code: 14, args: []string{"-c", conf, "-m", "127.0.0.1:1"}, says: "127.0.0.1:1"},
		{name: "unknown option", code: 19, args: []string{"-c", conf, "--ceph-option", "no_such=secret"}, says: "no_such"},
		{name: "bad value of an option", code: 19, args: []string{"-c", conf, "--ceph-option", "rbd_cache=maybe"}, says: "rbd_cache"},
		{name: "usage", code: 3, args: []string{"-c", conf, "--object-size", "5M"}, says: "--object-size"},
		{name: "log file", code: 5, args: []string{"-c", conf, "--log-file", "/nowhere/log"}, says: "/nowhere/log"},
	}
}

// futureKey is a key of a type that no librados knows, in the form of all keys: the
// type, the time, the length of the secret, and the secret.
func futureKey() string {
	raw := make([]byte, 12+64)
	raw[0], raw[10] = 9, 64
	return base64.StdEncoding.EncodeToString(raw)
}

// badPools are starts that fail by the pool.
func badPools(t *testing.T) []badStart {
	c := suite.cluster
	raw := c.Pool(t) + "-raw"
	if _, err := c.Ceph(t.Context(), "osd", "pool", "create", raw, "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Ceph(t.Context(), "osd", "pool", "rm", raw, raw, "--yes-i-really-really-mean-it") })
	// With no caps at all for OSDs, those of Ceph 18 do not answer.
	user, err := c.CreateUser(t.Context(),
		cluster.Cap{Service: "mon", Allow: "allow r"}, cluster.Cap{Service: "osd", Allow: "allow r pool=another"})
	if err != nil {
		t.Fatal(err)
	}
	keyring := c.Keyring(user)
	conf := []string{"-c", c.Conf()}
	return []badStart{
		{name: "no pool", code: 15, args: conf, pool: "nowhere", says: `"nowhere"`},
		{name: "no namespace", code: 16, args: conf, pool: cluster.DefaultPool + "/nowhere", says: `"nowhere"`},
		{name: "pool not initialised", code: 17, args: conf, pool: raw, says: "rbd pool init " + raw},
		{name: "small caps", code: 18, args: append(conf, "-n", user, "-k", keyring), says: "profile rbd"},
		{name: "no data pool", code: 20, args: append(conf, "--data-pool", "nowhere"), says: `"nowhere"`},
	}
}

// badDirs are starts that fail by the directory.
func badDirs(t *testing.T) []badStart {
	conf := []string{"-c", suite.cluster.Conf()}
	file := writeFile(t, "file", "")
	base := filepath.Dir(file)
	mounted, dir := mountDir(t), mountDir(t)
	foreground(t, suite.cluster, cluster.DefaultPool, mounted)
	killed := foreground(t, suite.cluster, cluster.DefaultPool, dir)
	killed.signal(t, syscall.SIGKILL)
	<-killed.done
	return []badStart{
		{name: "no directory", code: 30, args: conf, dir: filepath.Join(base, "nowhere"), says: "mkdir"},
		{name: "not a directory", code: 31, args: conf, dir: file, says: file},
		{name: "not empty", code: 32, args: conf, dir: base, says: "file"},
		{name: "mounted", code: 33, args: conf, dir: mounted, says: "rbdfs umount " + mounted},
		{name: "mounted by another", code: 33, args: conf, dir: "/proc", says: "umount /proc"},
		{name: "stale", code: 34, args: conf, dir: dir, says: "--replace-stale"},
	}
}

func TestBadStarts(t *testing.T) {
	for group, starts := range map[string][]badStart{"config": badConfigs(t), "pool": badPools(t), "dir": badDirs(t)} {
		for _, s := range starts {
			for _, mode := range []string{"foreground", "background"} {
				t.Run(group+"/"+s.name+"/"+mode, func(t *testing.T) {
					t.Parallel()
					s.check(t, mode == "background")
				})
			}
		}
	}
}

// check starts rbdfs and checks how it fails.
func (s badStart) check(t *testing.T, background bool) {
	pool, dir := s.pool, s.dir
	if pool == "" {
		pool = cluster.DefaultPool
	}
	if dir == "" {
		dir = mountDir(t)
	}
	before := mountLine(dir)
	argv := append([]string{suite.program, "mount"}, s.args...)
	if background {
		argv = append(argv, "--background")
	}
	r := spawn(t, s.env, append(argv, pool, dir)...).result(t)
	if r.code != s.code {
		t.Errorf("exit code %d, not %d", r.code, s.code)
	}
	checkSentence(t, r)
	if !strings.Contains(r.stderr, s.says) || strings.Contains(r.stderr, "secret") {
		t.Errorf("%q does not say %q", r.stderr, s.says)
	}
	if r.took > limit {
		t.Errorf("took %v", r.took)
	}
	if after := mountLine(dir); after != before {
		t.Errorf("mounts on %s: %q, before %q", dir, after, before)
	}
}

// writeFile makes a file in a folder of its own.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(base, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReplaceStale(t *testing.T) {
	dir := mountDir(t)
	for _, flag := range []string{"--replace-stale=false", "--replace-stale"} {
		p := foreground(t, suite.cluster, cluster.DefaultPool, dir, "--replace-stale", flag)
		p.signal(t, syscall.SIGKILL)
		<-p.done
		if !dead(dir) {
			t.Fatal("no stale mount after kill -9")
		}
		if flag == "--replace-stale=false" {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := foreground(t, suite.cluster, cluster.DefaultPool, dir, "--replace-stale")
	if r := rbdfs(t, "mount", "-c", suite.cluster.Conf(), cluster.DefaultPool, dir, "--replace-stale"); r.code != 33 {
		t.Errorf("--replace-stale on a live mount: %d, %s", r.code, r.stderr)
	}
	p.signal(t, syscall.SIGTERM)
	checkEnd(t, p, dir, 0)
}

func TestTwoOnOneDirectory(t *testing.T) {
	dir := mountDir(t)
	argv := []string{suite.program, "mount", "-c", suite.cluster.Conf(), "--background", cluster.DefaultPool, dir}
	var codes [2]int
	both := []*process{spawn(t, nil, argv...), spawn(t, nil, argv...)}
	for i, p := range both {
		codes[i] = p.result(t).code
	}
	if codes != [2]int{0, 33} && codes != [2]int{33, 0} {
		t.Errorf("exit codes %v", codes)
	}
	if r := rbdfs(t, "umount", dir); r.code != 0 || mountLine(dir) != "" {
		t.Errorf("umount: %+v, left: %q", r, mountLine(dir))
	}
}

func TestVersion(t *testing.T) {
	r := rbdfs(t, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.code != 0 || r.stderr != "" {
		t.Fatalf("%+v: %v", r, err)
	}
	text := rbdfs(t, "version").stdout
	for _, key := range []string{"version", "commit", "go", "librbd", "librados"} {
		if v[key] == "" || !strings.Contains(text, v[key]) {
			t.Errorf("%s is %q in JSON; as text: %s", key, v[key], text)
		}
	}
}
