package group

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/cluster"
	"rbdfs/tests/harness"
)

// A group snapshot is made, read, renamed and removed by mkdir, read, mv and
// rmdir; its members are those of that moment, and the rbd command sees the same.
func TestVerbs(t *testing.T) {
	env.Mount.Check(t)
	a, b := image(t, "a", []byte("old a")), image(t, "b", []byte("old b"))
	must(t, os.Chmod(a, 0o640))
	must(t, os.Chown(a, 7, 8))
	dir := group(t, "db", "a", "b")
	begin := time.Now()
	must(t, os.Mkdir(dir+"/s", 0o755))
	must(t, os.WriteFile(a, []byte("the new a"), 0o644))
	must(t, os.WriteFile(b, []byte("the new b"), 0o644))
	must(t, os.Chmod(a, 0o604))
	rbd(t, "group", "image", "rm", env.Pool+"/db", env.Pool+"/b")
	if got := names(t, dir+"/s"); got != "[a b]" {
		t.Error(got)
	}
	reads(t, dir+"/s/a", "old a")
	reads(t, dir+"/s/b", "old b")
	st, in := stat(t, dir+"/s/a"), stat(t, dir+"/s")
	if st.Mode != syscall.S_IFREG|0o440 || st.Uid != 7 || st.Gid != 8 || st.Mtim != st.Ctim || in.Mode&0o222 != 0 || in.Mtim.Sec < begin.Unix()-1 || st.Mtim.Sec < begin.Unix()-1 {
		t.Errorf("%+v in %+v", st, in)
	}
	if ls := rbd(t, "group", "snap", "ls", env.Pool+"/db"); !strings.Contains(ls, "s ") {
		t.Error(ls)
	}
	if got := names(t, env.Mount.Path(".snap/a")); got != "[]" {
		t.Errorf(".snap lists %s", got)
	}
	want(t, "mkdir again", os.Mkdir(dir+"/s", 0o755), syscall.EEXIST)
	must(t, os.Mkdir(dir+"/t", 0o755))
	if got := names(t, dir) + names(t, dir+"/t"); got != "[s t][a]" {
		t.Error(got)
	}
	want(t, "rename over", os.Rename(dir+"/s", dir+"/t"), syscall.EEXIST)
	must(t, os.Rename(dir+"/s", dir+"/u"))
	if now := stat(t, dir+"/u/a"); now != st {
		t.Errorf("renamed it is %+v, was %+v", now, st)
	}
	must(t, os.Remove(dir+"/u"))
	if _, err := os.Stat(dir + "/u"); !os.IsNotExist(err) {
		t.Error(err)
	}
	if ls := rbd(t, "group", "snap", "ls", env.Pool+"/db"); strings.Contains(ls, "u ") || !strings.Contains(ls, "t ") {
		t.Error(ls)
	}
}

// Nothing but the verbs changes anything, for root neither; .group is hidden
// unless the mount shows it.
func TestRefusals(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, `it is in the group .*db|it has snapshots`)
	image(t, "a", []byte("data"))
	dir := group(t, "db", "a")
	must(t, os.Mkdir(dir+"/s", 0o755))
	must(t, os.Mkdir(dir+"/t", 0o755))
	file, elsewhere := dir+"/s/a", env.Mount.Path("elsewhere")
	for what, c := range map[string]struct {
		err   error
		errno syscall.Errno
	}{
		"truncate":           {os.Truncate(file, 0), syscall.EROFS},
		"chmod":              {os.Chmod(file, 0o600), syscall.EROFS},
		"chown":              {os.Chown(file, 1, 1), syscall.EROFS},
		"unlink":             {os.Remove(file), syscall.EROFS},
		"rename of a file":   {os.Rename(file, elsewhere), syscall.EROFS},
		"create":             {os.WriteFile(dir+"/s/x", nil, 0o644), syscall.EROFS},
		"write":              {os.WriteFile(file, []byte("x"), 0o644), syscall.EROFS},
		"clone":              {os.Link(file, elsewhere), syscall.EOPNOTSUPP},
		"create beside":      {os.WriteFile(dir+"/x", nil, 0o644), syscall.EPERM},
		"mkdir of a group":   {os.Mkdir(env.Mount.Path(".group/x"), 0o755), syscall.EPERM},
		"rmdir of a group":   {syscall.Rmdir(dir), syscall.EPERM},
		"rmdir of .group":    {syscall.Rmdir(env.Mount.Path(".group")), syscall.EPERM},
		"rename out":         {os.Rename(dir+"/s", elsewhere), syscall.EPERM},
		"rename into":        {os.Rename(dir+"/s", dir+"/t/s"), syscall.EROFS},
		"at sign":            {os.Mkdir(dir+"/a@b", 0o755), syscall.EINVAL},
		"slash":              {os.Mkdir(dir+"/a%2Fb", 0o755), syscall.EINVAL},
		"rename to":          {os.Rename(dir+"/s", dir+"/a@b"), syscall.EINVAL},
		"long":               {os.Mkdir(dir+"/"+strings.Repeat("x", 256), 0o755), syscall.ENAMETOOLONG},
		"no such group":      {os.Mkdir(env.Mount.Path(".group/none/s"), 0o755), syscall.ENOENT},
		"no such snapshot":   {syscall.Rmdir(dir + "/none"), syscall.ENOENT},
		"rm of the image":    {os.Remove(env.Mount.Path("a")), syscall.ENOTEMPTY},
		"mkdir in read-only": {os.Mkdir(env.Start(t, harness.Options{User: cluster.RBDReadOnly, ReadOnly: true}).Path(".group/db/x"), 0o755), syscall.EPERM},
	} {
		want(t, what, c.err, c.errno)
	}
	if got := names(t, dir) + names(t, dir+"/s") + names(t, env.Mount.Path(".group")) + names(t, env.Mount.Dir); got != "[s t][a][db][a]" {
		t.Error(got)
	}
	shown := env.Start(t, harness.Options{Args: []string{"--snapdir=visible"}})
	if got := names(t, shown.Dir); got != "[.group .snap .trash a]" {
		t.Error(got)
	}
	if now, before := stat(t, shown.Path(".group/db/s/a")), stat(t, file); now.Ino != before.Ino || now.Mtim != before.Mtim {
		t.Errorf("another mount has it as %+v, not %+v", now, before)
	}
}

// What the rbd command makes and removes shows within a second, and a file that is
// open then answers an error.
func TestMadeElsewhere(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, "snapshot was removed")
	image(t, "a", []byte(strings.Repeat("data", 8<<20)))
	dir := group(t, "db", "a")
	names(t, dir)
	rbd(t, "group", "snap", "create", env.Pool+"/db@s")
	soon(t, "the snapshot shows", func() error { _, err := os.Stat(dir + "/s/a"); return err })
	f, err := os.Open(dir + "/s/a")
	must(t, err)
	defer f.Close()
	buf := make([]byte, 4096)
	_, err = f.ReadAt(buf, 0)
	must(t, err)
	rbd(t, "group", "snap", "rename", env.Pool+"/db@s", "t")
	soon(t, "the new name shows", func() error { _, err := os.Stat(dir + "/t/a"); return err })
	rbd(t, "group", "snap", "rm", env.Pool+"/db@t")
	if n, err := f.ReadAt(buf, 24<<20); err == nil {
		t.Errorf("read %d bytes of a removed snapshot", n)
	}
	soon(t, "the snapshot goes", func() error {
		if _, err := os.Open(dir + "/t/a"); !os.IsNotExist(err) {
			return fmt.Errorf("opened: %v", err)
		}
		return nil
	})
}

// Members of another pool are there, of the same name too, and cp copies all; one
// that this user may not read is an error, and not left out.
func TestOtherPool(t *testing.T) {
	env.Mount.Check(t)
	far := env.Cluster.Pool(t)
	rbd(t, "create", far+"/a", "--size", "3B")
	t.Cleanup(func() { rbd(t, "rm", far+"/a", "--no-progress") })
	image(t, "a", []byte("near"))
	dir := group(t, "db", "a", far+"/a")
	other := env.Start(t, harness.Options{Pool: far})
	must(t, os.WriteFile(other.Path("a"), []byte("far"), 0o644))
	must(t, os.Mkdir(dir+"/s", 0o755))
	must(t, os.WriteFile(other.Path("a"), []byte("FAR"), 0o644))
	if near, far := stat(t, dir+"/s/a"), stat(t, dir+"/s/"+far+"%2Fa"); near.Ino == far.Ino || far.Size != 3 {
		t.Errorf("%+v, %+v", near, far)
	}
	copied := t.TempDir()
	if out, err := run(t, "cp", "-r", dir+"/s", copied); err != nil {
		t.Error(out, err)
	}
	reads(t, copied+"/s/a", "near")
	reads(t, copied+"/s/"+far+"%2Fa", "far")
	user, err := env.Cluster.CreateUser(t.Context(), cluster.ReadWriteCaps("pool="+env.Pool)...)
	must(t, err)
	blind := env.Start(t, harness.Options{User: user})
	out, err := run(t, "cp", "-r", blind.Path(".group/db/s"), t.TempDir())
	if err == nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, far+"%2F") || !strings.Contains(out, "Permission denied") {
		t.Error(out, err)
	}
	reads(t, blind.Path(".group/db/s/a"), "near")
	want(t, "mkdir", os.Mkdir(blind.Path(".group/db/t"), 0o755), syscall.EPERM)
	blind.WaitLog(t, "cephx caps do not reach it")
}

// A lock that is kept is in the way of a group snapshot, until the file is closed.
func TestExclusive(t *testing.T) {
	env.Mount.Check(t)
	image(t, "a", []byte("data"))
	dir := group(t, "db", "a")
	exclusive := env.Start(t, harness.Options{Args: []string{"--exclusive"}})
	exclusive.ExpectLog(t, "the exclusive lock of one of its images is kept")
	f, err := os.OpenFile(exclusive.Path("a"), os.O_RDWR, 0)
	must(t, err)
	want(t, "mkdir", os.Mkdir(exclusive.Path(".group/db/s"), 0o755), syscall.EBUSY)
	_, err = f.WriteAt([]byte("more"), 0)
	must(t, err)
	must(t, f.Close())
	must(t, os.Mkdir(exclusive.Path(".group/db/s"), 0o755))
	soon(t, "the snapshot shows", func() error { _, err := os.Stat(dir + "/s"); return err })
	reads(t, dir+"/s/a", "more")
}

// A member's file has the holes that the image had.
func TestHoles(t *testing.T) {
	env.Mount.Check(t)
	const size = 64 << 20
	path := image(t, "a", nil)
	must(t, os.Truncate(path, size))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("data"), size/2)
	must(t, err)
	must(t, f.Close())
	dir := group(t, "db", "a")
	must(t, os.Mkdir(dir+"/s", 0o755))
	must(t, os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o644))
	st := stat(t, dir+"/s/a")
	snap, err := os.Open(dir + "/s/a")
	must(t, err)
	defer snap.Close()
	at, err := snap.Seek(0, unix.SEEK_DATA)
	if err != nil || at != size/2 || st.Size != size || st.Blocks == 0 || st.Blocks*512 > size/2 {
		t.Errorf("data at %d, %v, of %+v", at, err, st)
	}
	buf := make([]byte, 6)
	if _, err := snap.ReadAt(buf, size/2-1); err != nil || string(buf) != "\x00data\x00" {
		t.Errorf("read %q, %v", buf, err)
	}
}
