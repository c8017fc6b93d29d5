package snap

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rbdfs/tests/cluster"
	"rbdfs/tests/harness"
)

// A user whose caps allow reading alone reads snapshots and changes none.
func TestReadOnlyUser(t *testing.T) {
	env.Mount.Check(t)
	data := random(t, mib)
	image(t, "vm1", data)
	dir := filepath.Join(snapsOf("vm1"), "s")
	must(t, os.Mkdir(dir, 0o755))
	m := env.Start(t, harness.Options{User: cluster.RBDReadOnly, ReadOnly: true})
	theirs := m.Path(".snap/vm1/s")
	wantContent(t, theirs+"/vm1", data)
	want(t, "mkdir", os.Mkdir(m.Path(".snap/vm1/t"), 0o755), syscall.EPERM)
	want(t, "rmdir", syscall.Rmdir(theirs), syscall.EPERM)
	want(t, "rename", os.Rename(theirs, m.Path(".snap/vm1/t")), syscall.EPERM)
	want(t, "ln", os.Link(theirs+"/vm1", m.Path("vm2")), syscall.EPERM)
	if got := names(t, snapsOf("vm1")) + names(t, env.Mount.Dir); got != "[s][vm1]" {
		t.Error(got)
	}
	wantContent(t, theirs+"/vm1", data)
}

// A user of one pool or one namespace, of a cluster that has others, does all
// that one does with snapshots.
func TestLimitedUsers(t *testing.T) {
	env.Cluster.Pool(t)
	ns := fmt.Sprint("ns", rand.Uint32())
	rbd(t, "namespace", "create", spec(ns))
	for _, o := range []struct{ pool, scope string }{
		{env.Pool, "pool=" + env.Pool},
		{spec(ns), "pool=" + env.Pool + " namespace=" + ns},
	} {
		user, err := env.Cluster.CreateUser(t.Context(), cluster.ReadWriteCaps(o.scope)...)
		must(t, err)
		m := env.Start(t, harness.Options{Pool: o.pool, User: user})
		data := random(t, mib)
		must(t, os.WriteFile(m.Path("golden"), data, 0o644))
		must(t, os.Mkdir(m.Path(".snap/golden/s"), 0o755))
		must(t, os.Rename(m.Path(".snap/golden/s"), m.Path(".snap/golden/v1")))
		wantContent(t, m.Path(".snap/golden/v1/golden"), data)
		must(t, os.Link(m.Path(".snap/golden/v1/golden"), m.Path("vm")))
		m.ExpectLog(t, "it has clones.*"+o.pool+"/vm")
		want(t, "rmdir", syscall.Rmdir(m.Path(".snap/golden/v1")), syscall.EBUSY)
		must(t, unix.Setxattr(m.Path("vm"), "user.rbd.flatten", []byte("1"), 0))
		m.WaitLog(t, "flattened a clone")
		wantContent(t, m.Path("vm"), data)
		must(t, syscall.Rmdir(m.Path(".snap/golden/v1")))
		for _, name := range []string{"vm", "golden"} {
			must(t, os.Remove(m.Path(name)))
		}
	}
}

// A snapshot past the image's limit is refused, and a protected one is renamed and
// removed as any other.
func TestLimitAndProtection(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, "quota exceeded")
	image(t, "vm1", []byte("data"))
	rbd(t, "snap", "limit", "set", "--limit", "1", spec("vm1"))
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	want(t, "mkdir past the limit", os.Mkdir(filepath.Join(snapsOf("vm1"), "t"), 0o755), syscall.EDQUOT)
	rbd(t, "snap", "protect", spec("vm1@s"))
	must(t, os.Rename(filepath.Join(snapsOf("vm1"), "s"), filepath.Join(snapsOf("vm1"), "u")))
	must(t, syscall.Rmdir(filepath.Join(snapsOf("vm1"), "u")))
	if list := rbd(t, "snap", "ls", spec("vm1")); list != "" {
		t.Error(list)
	}
}

// A user other than root reads what owner and mode let them, and changes nothing.
func TestOtherUser(t *testing.T) {
	need(t, "setpriv", "cat")
	if os.Geteuid() != 0 {
		t.Skip("only root may become another user")
	}
	m := env.Start(t, harness.Options{Args: []string{"--allow-other", "--dir-mode=0755"}})
	must(t, os.WriteFile(m.Path("vm1"), []byte("data"), 0o644))
	must(t, os.Chown(m.Path("vm1"), 1000, 1000))
	t.Cleanup(func() { must(t, os.Remove(env.Mount.Path("vm1"))) })
	must(t, os.Mkdir(m.Path(".snap/vm1/s"), 0o755))
	t.Cleanup(func() { must(t, syscall.Rmdir(filepath.Join(snapsOf("vm1"), "s"))) })
	as := func(uid int, command string) string {
		return run(t, "setpriv", fmt.Sprint("--reuid=", uid), "--regid=1000", "--clear-groups", "sh", "-c", "exec 2>/dev/null; cd "+m.Path(".snap/vm1/s")+"; "+command)
	}
	for uid, what := range map[int]string{1000: "owner", 1001: "other user"} {
		for _, command := range []string{"cat vm1", "echo x >vm1 || echo data", "rm -f vm1 || cat vm1", "chmod +w vm1 || cat vm1", "mv vm1 x || cat vm1"} {
			if got := as(uid, command); got != "data" && got != "data\n" {
				t.Errorf("%s: %s: %q", what, command, got)
			}
		}
	}
}
