package trash

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// rm of a removed image purges it now, whoever removed it, and it leaves the
// listing at once.
func TestPurge(t *testing.T) {
	start(t)
	put(t, env.Mount.Path("ours"), "x")
	must(t, os.Remove(env.Mount.Path("ours")))
	rbd(t, "create", "--size", "100M", spec("theirs"))
	rbd(t, "trash", "mv", spec("theirs"), "--expires-at", "now +2 hours")
	soon(t, "what another tool removed", func() error { _, err := os.Stat(env.Mount.Path(".trash/theirs")); return err })
	file := one(t, env.Mount, "theirs")
	if st := stat(t, file); st.Size != 100<<20 || st.Mode != syscall.S_IFREG|0o600 {
		t.Errorf("%+v", st)
	}
	out, err := sh("rm .trash/theirs; ls .trash")
	if err != nil || !strings.HasPrefix(out, "ours@") || strings.Contains(out, "theirs") {
		t.Errorf("%q, %v", out, err)
	}
	want(t, "rm again", os.Remove(file), syscall.ENOENT)
	within(t, time.Minute, "the purge", func() error { return purged("theirs") })
	if purged("ours") == nil {
		t.Error("it purged what it was not asked for")
	}
	// A whole trash.
	for i := range 10 {
		path := env.Mount.Path(fmt.Sprint("many", i%3))
		put(t, path, "x")
		must(t, os.Remove(path))
	}
	if list := names(t, bin(env.Mount)); len(list) != 11 {
		t.Errorf(".trash has %q", list)
	}
	if out, err := sh("rm .trash/*; ls -A .trash"); out != "" || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	within(t, time.Minute, "the purge", func() error { return purged("") })
}

// rm says why it cannot purge an image, and then nothing has changed.
func TestPurgeRefused(t *testing.T) {
	start(t)
	env.Mount.ExpectLog(t, `level=WARN msg=refused.*image=.trash/vm1@.*it has snapshots`)
	env.Mount.ExpectLog(t, "level=WARN msg=refused.*image=.trash/vm1@.*another client has it open")
	put(t, env.Mount.Path("vm1"), "data")
	rbd(t, "snap", "create", spec("vm1@s"), "--no-progress")
	rbd(t, "trash", "mv", spec("vm1"))
	soon(t, "what another tool removed", func() error { _, err := os.Stat(env.Mount.Path(".trash/vm1")); return err })
	want(t, "rm with snapshots", os.Remove(one(t, env.Mount, "vm1")), syscall.ENOTEMPTY)
	must(t, os.Rename(env.Mount.Path(".trash/vm1"), env.Mount.Path("vm1")))
	must(t, os.Remove(env.Mount.Path(".snap/vm1/s"))) // restored with its snapshots

	b := env.Start(t, harness.Options{})
	f := content.Open(t, b.Path("vm1"), os.O_RDWR)
	must(t, os.Remove(b.Path("vm1")))
	soon(t, "the removal", func() error { _, err := os.Stat(env.Mount.Path(".trash/vm1")); return err })
	want(t, "rm of what is open elsewhere", os.Remove(one(t, env.Mount, "vm1")), syscall.EBUSY)
	reads(t, env.Mount.Path(".trash/vm1"), "data")
	must(t, os.Rename(env.Mount.Path(".trash/vm1"), env.Mount.Path("vm1"))) // although it is open there
	_, err := f.WriteAt([]byte("DATA"), 0)
	must(t, err)
	content.Close(t, f)
	soon(t, "what was written there", func() error {
		got, err := os.ReadFile(env.Mount.Path("vm1"))
		if err == nil && string(got) != "DATA" {
			err = fmt.Errorf("it holds %q", got)
		}
		return err
	})

	must(t, os.Remove(env.Mount.Path("vm1")))
	reader := env.Start(t, harness.Options{User: cluster.RBDReadOnly, ReadOnly: true})
	file := one(t, reader, "vm1")
	reads(t, file, "DATA")
	want(t, "rm without permission", os.Remove(file), syscall.EPERM)
	want(t, "restore without permission", os.Rename(file, reader.Path("vm1")), syscall.EPERM)
	readOnly := env.Start(t, harness.Options{Args: []string{"--read-only"}, ReadOnly: true})
	want(t, "rm on a read-only mount", os.Remove(readOnly.Path(".trash/vm1")), syscall.EROFS)
	reads(t, env.Mount.Path(".trash/vm1"), "DATA")
}

// Who reads a removed image is not cut off by a purge on the same mount.
func TestPurgeWhileRead(t *testing.T) {
	start(t)
	path := env.Mount.Path("vm1")
	c := content.New(t, 0)
	f := content.Open(t, path, os.O_RDWR|os.O_CREATE)
	c.Write(t, f, 0, 9_000_000)
	content.Close(t, f)
	must(t, os.Remove(path))
	f = content.Open(t, env.Mount.Path(".trash/vm1"), os.O_RDONLY|syscall.O_DIRECT)
	must(t, os.Remove(env.Mount.Path(".trash/vm1")))
	if list := names(t, bin(env.Mount)); len(list) > 0 {
		t.Errorf(".trash has %q", list)
	}
	put(t, path, "x")
	must(t, os.Remove(path))
	must(t, os.Remove(one(t, env.Mount, "vm1")))
	within(t, time.Minute, "the purge of another image", func() error {
		list, err := env.Cluster.RBD(t.Context(), "trash", "ls", "--all", env.Pool)
		if err == nil && strings.Count(list, " vm1") > 1 {
			err = fmt.Errorf("the trash has %s", list)
		}
		return err
	})
	c.CheckRead(t, f, 20)
	if st := fstat(t, f); st.Nlink != 0 || st.Size != 9_000_000 {
		t.Errorf("%+v", st)
	}
	content.Close(t, f)
	within(t, time.Minute, "the purge", func() error { return purged("") })
}

// fstat is fstat(2).
func fstat(t *testing.T, f *os.File) (st syscall.Stat_t) {
	t.Helper()
	must(t, syscall.Fstat(int(f.Fd()), &st))
	return st
}

// A mount that keeps nothing purges what it removes, and nothing else.
func TestDefault(t *testing.T) {
	start(t)
	b := env.Start(t, harness.Options{})
	for _, name := range []string{"kept", "theirs", "gone"} {
		put(t, b.Path(name), name)
	}
	must(t, os.Remove(env.Mount.Path("kept")))
	rbd(t, "trash", "mv", spec("theirs"))
	must(t, os.Remove(b.Path("gone")))
	within(t, time.Minute, "the purge", func() error {
		if _, err := os.Lstat(b.Path(".trash/gone")); !os.IsNotExist(err) {
			return fmt.Errorf("it is still there: %v", err)
		}
		return purged("gone")
	})
	for _, name := range []string{"kept", "theirs"} {
		soon(t, name, func() error { _, err := os.Stat(b.Path(".trash/" + name)); return err })
		reads(t, one(t, b, name), name)
		must(t, os.Rename(b.Path(".trash/"+name), b.Path(name)))
		reads(t, b.Path(name), name)
		must(t, os.Remove(b.Path(name)))
	}
}

// What happens to removed images elsewhere shows within a second, and they are the
// same files on every mount.
func TestTwoMounts(t *testing.T) {
	start(t)
	b := env.Start(t, harness.Options{Args: []string{"--trash-keep=1h", "--snapdir=visible"}})
	put(t, env.Mount.Path("vm1"), "data")
	names(t, bin(b))
	must(t, os.Remove(env.Mount.Path("vm1")))
	soon(t, "the removal", func() error { _, err := os.Stat(b.Path(".trash/vm1")); return err })
	ours, theirs := one(t, env.Mount, "vm1"), one(t, b, "vm1")
	if st := stat(t, theirs); filepath.Base(ours) != filepath.Base(theirs) || stat(t, ours).Ino != st.Ino {
		t.Errorf("%s is %s, %+v", ours, theirs, st)
	}
	must(t, os.Rename(theirs, b.Path("vm1")))
	soon(t, "the restoring", func() error {
		_, err := os.Stat(env.Mount.Path("vm1"))
		if _, gone := os.Stat(ours); err == nil && !os.IsNotExist(gone) {
			err = fmt.Errorf("it is still there: %v", gone)
		}
		return err
	})
	must(t, os.Remove(b.Path("vm1")))
	soon(t, "the removal", func() error { _, err := os.Stat(env.Mount.Path(".trash/vm1")); return err })
	must(t, os.Remove(one(t, env.Mount, "vm1")))
	within(t, time.Minute, "the purge", func() error {
		if list := listed(t, b, "vm1"); len(list) > 0 {
			return fmt.Errorf("it has %q", list)
		}
		return nil
	})
	if got := fmt.Sprint(names(t, b.Dir)); !strings.Contains(got, ".trash") {
		t.Errorf("a visible .trash is not in %s", got)
	}
	if got := names(t, env.Mount.Dir); len(got) > 0 {
		t.Errorf("a hidden .trash is listed: %q", got)
	}
}
