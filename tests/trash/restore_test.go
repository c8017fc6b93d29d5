package trash

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// A removed image is there by name and time, can be read, and comes back as it
// was; and all of it shows at once.
func TestRestore(t *testing.T) {
	start(t)
	path := env.Mount.Path("vm1")
	c := content.New(t, 9_000_000)
	f := content.Open(t, path, os.O_RDWR|os.O_CREATE)
	c.Write(t, f, 0, len(c.Bytes))
	content.Close(t, f)
	must(t, os.Chmod(path, 0o604))
	must(t, os.Chown(path, 12, 34))
	before, begin := stat(t, path), time.Now()
	out, err := sh("rm vm1; ls; ls .trash; ls .trash/vm1")
	if lines := strings.Fields(out); err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "vm1@20") || lines[1] != ".trash/vm1" {
		t.Fatalf("%q, %v", out, err)
	}
	file := one(t, env.Mount, "vm1")
	c.Check(t, file)
	st := stat(t, file)
	removed := time.Unix(st.Ctim.Unix())
	if st.Size != before.Size || st.Mode != before.Mode || st.Uid != 12 || st.Gid != 34 || st.Mtim != before.Mtim ||
		st.Blocks != before.Blocks || st.Nlink != 1 || st.Ino == before.Ino {
		t.Errorf("removed it is %+v, was %+v", st, before)
	}
	if removed.Before(begin.Add(-time.Second)) || removed.After(time.Now()) ||
		!strings.Contains(file, removed.UTC().Format("@20060102T150405Z-")) {
		t.Errorf("%s was removed at %v", file, removed)
	}
	if alias := stat(t, env.Mount.Path(".trash/vm1")); alias != st {
		t.Errorf("vm1 is %+v, not %+v", alias, st)
	}
	if list := rbd(t, "trash", "ls", env.Pool); !strings.Contains(list, " vm1") {
		t.Errorf("the trash has %s", list)
	}
	out, err = sh("mv .trash/vm1 vm2; ls; ls .trash; stat -c %s vm2; cat .trash/vm1")
	if err == nil || out != "vm2\n9000000\ncat: .trash/vm1: No such file or directory\n" {
		t.Errorf("%q, %v", out, err)
	}
	c.Check(t, env.Mount.Path("vm2"))
	if now := stat(t, env.Mount.Path("vm2")); now.Ino != before.Ino || now.Mode != before.Mode || now.Uid != 12 || now.Gid != 34 ||
		now.Mtim != before.Mtim || now.Nlink != 1 {
		t.Errorf("restored it is %+v, was %+v", now, before)
	}
	c.CheckExport(t, env.Cluster, spec("vm2"))
	c.Scribble(t, env.Mount.Path("vm2"), 20)
	c.Check(t, env.Mount.Path("vm2"))
	must(t, os.Remove(env.Mount.Path("vm2")))
}

// A restored image is itself at once: the kernel must not take the removed one's file
// for it.
func TestRestoredAtOnce(t *testing.T) {
	start(t)
	path := env.Mount.Path("vm1")
	put(t, path, "data")
	before := stat(t, path)
	for range 10 {
		must(t, os.Remove(path))
		must(t, os.Rename(env.Mount.Path(".trash/vm1"), path))
		if now := stat(t, path); now.Ino != before.Ino || now.Nlink != 1 {
			t.Errorf("restored it is %+v, was %+v", now, before)
		}
		must(t, open(path, os.O_RDWR))
	}
	must(t, os.Remove(path))
}

// Images of one name stand side by side, also those of one second, and each name
// stays what it is.
func TestSameName(t *testing.T) {
	start(t)
	path := env.Mount.Path("vm1")
	texts := map[string]string{}
	for _, text := range []string{"first", "second", "third"} {
		put(t, path, text)
		must(t, os.Remove(path))
		for _, name := range listed(t, env.Mount, "vm1") {
			if _, ok := texts[name]; !ok {
				texts[name] = text
			}
		}
		reads(t, env.Mount.Path(".trash/vm1"), text)
	}
	if len(texts) != 3 {
		t.Fatalf(".trash has %v", texts)
	}
	for name, text := range texts {
		reads(t, filepath.Join(bin(env.Mount), name), text)
	}
	// What cannot be undone needs a name that says which.
	want(t, "rm", os.Remove(env.Mount.Path(".trash/vm1")), syscall.EPERM)
	must(t, os.Rename(env.Mount.Path(".trash/vm1"), path))
	reads(t, path, "third")
	for name, text := range texts {
		if text == "first" {
			must(t, os.Rename(filepath.Join(bin(env.Mount), name), env.Mount.Path("vm2")))
		}
	}
	reads(t, env.Mount.Path("vm2"), "first")
	reads(t, env.Mount.Path(".trash/vm1"), "second")
	must(t, os.Remove(env.Mount.Path(".trash/vm1")))
	for _, name := range []string{"vm1", "vm2"} {
		must(t, os.Remove(env.Mount.Path(name)))
	}
}

// Names that need escapes, and the longest.
func TestNames(t *testing.T) {
	start(t)
	for _, name := range []string{"a%2Fb", "with space", "a%2541", "%2Etrash", strings.Repeat("x", 255), strings.Repeat("ä", 127)} {
		path, alias := env.Mount.Path(name), env.Mount.Path(".trash/"+name)
		if name == "a%2Fb" { // it can be had only by restoring
			put(t, env.Mount.Path("slash"), name)
			id := make([]byte, 100)
			n, err := unix.Getxattr(env.Mount.Path("slash"), "user.rbd.id", id)
			must(t, err)
			rbd(t, "trash", "mv", spec("slash"))
			rbd(t, "trash", "restore", "--pool", env.Pool, "--image-id", string(id[:n]), "--image", "a/b")
			soon(t, "the restored image", func() error { _, err := os.Stat(path); return err })
		} else {
			put(t, path, name)
		}
		must(t, os.Remove(path))
		list := names(t, bin(env.Mount))
		if len(list) != 1 || len(list[0]) > 255 {
			t.Fatalf("%s: .trash has %q", name, list)
		}
		reads(t, filepath.Join(bin(env.Mount), list[0]), name)
		reads(t, alias, name)
		if name == "a%2Fb" {
			want(t, "restore", os.Rename(alias, path), syscall.EINVAL)
		} else {
			must(t, os.Rename(alias, path))
			reads(t, path, name)
			must(t, os.Remove(path))
		}
		must(t, os.Remove(alias))
	}
}

// Nothing is replaced by restoring, nor purged by moving something there, and
// nothing there can be changed.
func TestRefused(t *testing.T) {
	start(t)
	env.Mount.ExpectLog(t, "several removed images")
	live, other := env.Mount.Path("vm1"), env.Mount.Path("vm2")
	for _, text := range []string{"old", "new"} {
		put(t, live, text)
		must(t, os.Remove(live))
	}
	put(t, live, "live")
	put(t, other, "other")
	trash, file := bin(env.Mount), env.Mount.Path(".trash/vm1")
	for _, cmd := range []string{
		"mv .trash/vm1 vm1 </dev/null", "mv -f .trash/vm1 vm1", "mv -f vm2 .trash/vm1", "mv -f vm2 .trash/", "cp vm2 .trash/", "cp -f vm2 .trash/vm1",
		"ln vm2 .trash/x", "ln .trash/vm1 x", "touch .trash/x", "mkdir .trash/x", "mkfifo .trash/x", "ln -s x .trash/x", "rmdir .trash",
		"mv .trash x", "mv vm2 .trash/x", "rm .trash/vm1 </dev/null", "chmod 600 .trash/vm1", "truncate -s 1 .trash/vm1", "echo x >>.trash/vm1",
	} {
		if out, err := sh(cmd); err == nil {
			t.Errorf("%s succeeded: %s", cmd, out)
		}
	}
	for what, c := range map[string]struct {
		err   error
		errno syscall.Errno
	}{
		"rename over":     {os.Rename(file, live), syscall.EEXIST},
		"no replace":      {unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, live, unix.RENAME_NOREPLACE), syscall.EEXIST},
		"exchange":        {unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, live, unix.RENAME_EXCHANGE), syscall.EINVAL},
		"rename inside":   {os.Rename(file, trash+"/x"), syscall.EPERM},
		"rename into":     {os.Rename(other, file), syscall.EPERM},
		"rename to .snap": {os.Rename(file, env.Mount.Path(".snap/vm1/x")), syscall.EPERM},
		"at sign":         {os.Rename(file, env.Mount.Path("a@b")), syscall.EINVAL},
		"slash":           {os.Rename(file, env.Mount.Path("a%2Fb")), syscall.EINVAL},
		"over .snap":      {unix.Rename(file, env.Mount.Path(".snap")), syscall.EISDIR},
		"long":            {os.Rename(file, env.Mount.Path(strings.Repeat("x", 256))), syscall.ENAMETOOLONG},
		"none":            {os.Rename(trash+"/none", env.Mount.Path("x")), syscall.ENOENT},
		"out":             {os.Rename(file, filepath.Join(t.TempDir(), "x")), syscall.EXDEV},
		"create":          {os.WriteFile(trash+"/x", nil, 0o600), syscall.EPERM},
		"mkdir":           {os.Mkdir(trash+"/x", 0o700), syscall.EPERM},
		"rmdir":           {syscall.Rmdir(trash), syscall.EPERM},
		"write":           {open(file, os.O_WRONLY), syscall.EROFS},
		"write and read":  {open(file, os.O_RDWR), syscall.EROFS},
		"truncate":        {open(file, os.O_TRUNC), syscall.EROFS},
		"chown":           {os.Chown(file, 1, 1), syscall.EROFS},
		"utimens":         {os.Chtimes(file, time.Now(), time.Now()), syscall.EROFS},
		"setxattr":        {syscall.Setxattr(file, "user.rbd.meta.x", []byte("y"), 0), syscall.EROFS},
	} {
		want(t, what, c.err, c.errno)
	}
	reads(t, live, "live")
	reads(t, other, "other")
	reads(t, file, "new")
	if list := listed(t, env.Mount, "vm1"); len(list) != 2 {
		t.Errorf(".trash has %q", list)
	}
	must(t, os.Remove(live))
	must(t, os.Remove(other))
}

func open(path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0)
	if err == nil {
		err = f.Close()
	}
	return err
}

// A file that is open when it is removed goes on when it is restored, and is not
// purged at its last close, on a mount that keeps nothing neither.
func TestRestoreWhileOpen(t *testing.T) {
	start(t)
	for name, m := range map[string]*harness.Mount{"vm1": env.Mount, "vm2": env.Start(t, harness.Options{})} {
		path := m.Path(name)
		c := content.New(t, 0)
		f := content.Open(t, path, os.O_RDWR|os.O_CREATE)
		c.Write(t, f, 0, 4_000_000)
		must(t, os.Remove(path))
		c.Write(t, f, 4_000_000, 500_000)
		must(t, f.Sync())
		c.Check(t, m.Path(".trash/"+name))
		must(t, os.Rename(m.Path(".trash/"+name), path))
		st := stat(t, path)
		var open syscall.Stat_t
		must(t, syscall.Fstat(int(f.Fd()), &open))
		if open.Nlink != 1 || open.Ino != st.Ino {
			t.Errorf("%s: open it is %+v, by name %+v", name, open, st)
		}
		c.Write(t, f, 4_500_000, 500_000)
		content.Close(t, f)
		put(t, m.Path("another"), "x")
		must(t, os.Remove(m.Path("another")))
		if m == env.Mount {
			must(t, os.Remove(one(t, m, "another")))
		}
		// It would come after the purge of the image.
		within(t, time.Minute, "the purge", func() error { return purged("another") })
		c.Check(t, path)
		c.CheckExport(t, env.Cluster, spec(name))
		must(t, os.Remove(path))
	}
}
