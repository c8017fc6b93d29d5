package start

import (
	"os"
	"path/filepath"
	"testing"

	"rbdfs/tests/cluster"
	"rbdfs/tests/harness"
)

// private runs a command in a mount namespace of its own, after a script that
// changes what is mounted there.
func private(t *testing.T, script string, argv ...string) result {
	t.Helper()
	line := append([]string{"unshare", "--mount", "sh", "-c", "keep=" + harness.Apart + script + ` && exec "$@"`, "sh"}, argv...)
	return spawn(t, nil, line...).result(t)
}

func TestFuseIsMissing(t *testing.T) {
	dir := mountDir(t)
	r := private(t, "mount -t tmpfs none /dev", suite.program, "mount", "-c", suite.cluster.Conf(), cluster.DefaultPool, dir)
	if r.code != 40 {
		t.Errorf("%+v", r)
	}
	checkSentence(t, r)
}

// asNobody is a command as a user without rights, who may open /dev/fuse.
func asNobody(argv ...string) (script string, line []string) {
	script = `d=$(mktemp -d) && mount -t tmpfs none $d && mknod -m 666 $d/fuse c 10 229 && mount --bind $d/fuse /dev/fuse && umount -l $d && rmdir $d`
	return script, append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}, argv...)
}

func TestFusermountIsMissing(t *testing.T) {
	script, line := asNobody(readable(t), "mount", "-c", suite.cluster.Conf(), cluster.DefaultPool, "/nowhere")
	r := private(t, script+" && mount --bind /dev/null $(command -v fusermount3)", line...)
	if r.code != 41 {
		t.Errorf("%+v", r)
	}
	checkSentence(t, r)
	script, line = asNobody(readable(t), "mount", "-c", suite.cluster.Conf(), "--allow-other", cluster.DefaultPool, "/nowhere")
	r = private(t, script+" && mount --bind /dev/null /etc/fuse.conf", line...)
	if r.code != 42 {
		t.Errorf("--allow-other: %+v", r)
	}
	checkSentence(t, r)
	script, line = asNobody(readable(t), "mount", "-c", suite.cluster.Conf(), cluster.DefaultPool, "/")
	if r = private(t, script, line...); r.code != 33 {
		t.Errorf("a directory that is another's: %+v", r)
	}
}

// readable is the program where every user can run it.
func readable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rbdfs-all-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, err := os.ReadFile(suite.program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rbdfs")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
