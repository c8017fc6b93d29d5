package snap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

const mib = 1 << 20

// A snapshot is made, read, renamed and removed by mkdir, read, mv and rmdir, and
// the rbd command sees the same.
func TestVerbs(t *testing.T) {
	env.Mount.Check(t)
	old := bytes.Repeat([]byte("old!"), mib+5)
	path := image(t, "vm1", old)
	begin := time.Now()
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "monday"), 0o755))
	must(t, os.WriteFile(path, []byte("new"), 0o644))
	got, err := os.ReadFile(snapOf("vm1", "monday"))
	if err != nil || !bytes.Equal(got, old) {
		t.Errorf("the snapshot has %d bytes, %v, want %d", len(got), err, len(old))
	}
	st, dir := stat(t, snapOf("vm1", "monday")), stat(t, filepath.Join(snapsOf("vm1"), "monday"))
	if st.Mode != syscall.S_IFREG|0o444 || dir.Mode&0o222 != 0 || st.Mtim != st.Ctim || st.Mtim != st.Atim || st.Mtim != dir.Mtim {
		t.Errorf("%+v in %+v", st, dir)
	}
	if at := time.Unix(st.Mtim.Unix()); at.Before(begin.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("the snapshot's time is %v, it was made at %v", at, begin)
	}
	if list := rbd(t, "snap", "ls", spec("vm1")); !strings.Contains(list, "monday") {
		t.Error(list)
	}
	want(t, "mkdir again", os.Mkdir(filepath.Join(snapsOf("vm1"), "monday"), 0o755), syscall.EEXIST)
	run(t, "mv", filepath.Join(snapsOf("vm1"), "monday"), filepath.Join(snapsOf("vm1"), "tuesday"))
	if now := stat(t, snapOf("vm1", "tuesday")); now != st {
		t.Errorf("renamed it is %+v, was %+v", now, st)
	}
	if got := names(t, snapsOf("vm1")); got != "[tuesday]" {
		t.Error(got)
	}
	run(t, "rmdir", filepath.Join(snapsOf("vm1"), "tuesday"))
	if _, err := os.Stat(snapOf("vm1", "tuesday")); !os.IsNotExist(err) {
		t.Error(err)
	}
	if list := rbd(t, "snap", "ls", spec("vm1")); list != "" {
		t.Error(list)
	}
}

// Nothing in a snapshot can be changed, by root neither.
func TestReadOnly(t *testing.T) {
	env.Mount.Check(t)
	image(t, "vm1", []byte("data"))
	image(t, "vm2", nil)
	dir, file := filepath.Join(snapsOf("vm1"), "s"), snapOf("vm1", "s")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "t"), 0o755))
	for _, flags := range []int{os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND} {
		_, err := os.OpenFile(file, flags, 0)
		want(t, fmt.Sprintf("open with %#x", flags), err, syscall.EROFS)
	}
	now := time.Now()
	elsewhere := env.Mount.Path("elsewhere")
	for what, c := range map[string]struct {
		err   error
		errno syscall.Errno
	}{
		"truncate":         {os.Truncate(file, 0), syscall.EROFS},
		"chmod":            {os.Chmod(file, 0o600), syscall.EROFS},
		"chmod of the dir": {os.Chmod(dir, 0o700), syscall.EROFS},
		"chown":            {os.Chown(file, 1, 1), syscall.EROFS},
		"utimens":          {os.Chtimes(file, now, now), syscall.EROFS},
		"unlink":           {os.Remove(file), syscall.EROFS},
		"rename":           {os.Rename(file, elsewhere), syscall.EROFS},
		"setxattr":         {syscall.Setxattr(file, "user.x", []byte("y"), 0), syscall.EROFS},
		"mkdir":            {os.Mkdir(dir+"/x", 0o755), syscall.EROFS},
		"symlink":          {os.Symlink("x", dir+"/x"), syscall.EROFS},
		"link":             {os.Link(env.Mount.Path("vm2"), dir+"/x"), syscall.EROFS},
		"create":           {os.WriteFile(dir+"/x", nil, 0o644), syscall.EROFS},
		"create beside":    {os.WriteFile(snapsOf("vm1")+"/x", nil, 0o644), syscall.EPERM},
		"mkdir in .snap":   {os.Mkdir(env.Mount.Path(".snap/x"), 0o755), syscall.EPERM},
		"rmdir in .snap":   {syscall.Rmdir(snapsOf("vm1")), syscall.EPERM},
		"rmdir of .snap":   {syscall.Rmdir(env.Mount.Path(".snap")), syscall.EPERM},
		"rename of .snap":  {os.Rename(env.Mount.Path(".snap"), elsewhere), syscall.EPERM},
		"rename over":      {os.Rename(dir, filepath.Join(snapsOf("vm1"), "t")), syscall.EEXIST},
		"rename out":       {os.Rename(dir, elsewhere), syscall.EPERM},
		"rename across":    {os.Rename(dir, filepath.Join(snapsOf("vm2"), "s")), syscall.EPERM},
		"rename into":      {os.Rename(dir, filepath.Join(snapsOf("vm1"), "t", "s")), syscall.EROFS},
		"at sign":          {os.Mkdir(filepath.Join(snapsOf("vm1"), "a@b"), 0o755), syscall.EINVAL},
		"slash":            {os.Mkdir(filepath.Join(snapsOf("vm1"), "a%2Fb"), 0o755), syscall.EINVAL},
		"rename to":        {os.Rename(dir, filepath.Join(snapsOf("vm1"), "a@b")), syscall.EINVAL},
		"long":             {os.Mkdir(filepath.Join(snapsOf("vm1"), strings.Repeat("x", 256)), 0o755), syscall.ENAMETOOLONG},
		"no such image":    {os.Mkdir(env.Mount.Path(".snap/none/s"), 0o755), syscall.ENOENT},
		"no such snapshot": {syscall.Rmdir(filepath.Join(snapsOf("vm1"), "none")), syscall.ENOENT},
	} {
		want(t, what, c.err, c.errno)
	}
	if got := names(t, snapsOf("vm1")) + names(t, snapsOf("vm2")); got != "[s t][]" {
		t.Error(got)
	}
	// A file of 255 bytes is an image's longest name, and a snapshot's.
	long := filepath.Join(snapsOf("vm1"), strings.Repeat("x", 255))
	must(t, os.Mkdir(long, 0o755))
	must(t, os.Remove(long))
}

// .snap is hidden, before and after its use, unless the mount shows it.
func TestHidden(t *testing.T) {
	env.Mount.Check(t)
	image(t, "vm1", []byte("data"))
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	if got := names(t, env.Mount.Path(".snap")); got != "[vm1]" {
		t.Error(got)
	}
	if got := names(t, env.Mount.Dir); got != "[vm1]" {
		t.Error(got)
	}
	if got := run(t, "find", env.Mount.Dir, "-mindepth", "1"); got != env.Mount.Path("vm1")+"\n" {
		t.Error(got)
	}
	b := env.Start(t, harness.Options{Args: []string{"--snapdir=visible"}})
	if got := names(t, b.Dir); got != "[.group .snap .trash vm1]" {
		t.Error(got)
	}
	if got := strings.Count(run(t, "find", b.Dir, "-path", "*/.trash", "-prune", "-o", "-print"), "\n"); got != 7 {
		t.Errorf("find finds %d", got)
	}
}

// A snapshot has what was written before it through the mount, by a program that
// goes on writing, and nothing of what follows.
func TestRunningWriter(t *testing.T) {
	env.Mount.Check(t)
	path := image(t, "vm1", nil)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for n := range 8 {
		for range 3 {
			block = bytes.Repeat([]byte{byte(n + 1)}, len(block))
			_, err := f.Write(block)
			must(t, err)
		}
		must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), fmt.Sprint(n)), 0o755))
	}
	var theirs []struct{ Size int64 }
	must(t, json.Unmarshal([]byte(rbd(t, "snap", "ls", "--format=json", spec("vm1"))), &theirs))
	if len(theirs) != 8 {
		t.Fatalf("rbd lists %v", theirs)
	}
	for n := range 8 {
		size := int64(n+1) * 3 * int64(len(block))
		got, err := os.ReadFile(snapOf("vm1", fmt.Sprint(n)))
		must(t, err)
		if int64(len(got)) != size || theirs[n].Size != size || got[size-1] != byte(n+1) || stat(t, snapOf("vm1", fmt.Sprint(n))).Size != size {
			t.Errorf("snapshot %d has %d bytes, by rbd %d, want %d", n, len(got), theirs[n].Size, size)
		}
	}
}

// What others make and remove shows within a second, and a file that is open
// then answers an error.
func TestRemovedElsewhere(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, "snapshot was removed")
	image(t, "vm1", bytes.Repeat([]byte("data"), 8*mib))
	names(t, snapsOf("vm1"))
	rbd(t, "snap", "create", spec("vm1@s"), "--no-progress")
	soon(t, "the snapshot shows", func() error { _, err := os.Stat(snapOf("vm1", "s")); return err })
	f, err := os.Open(snapOf("vm1", "s"))
	must(t, err)
	defer f.Close()
	buf := make([]byte, 4096)
	_, err = f.ReadAt(buf, 0)
	must(t, err)
	rbd(t, "snap", "rm", spec("vm1@s"), "--no-progress")
	if n, err := f.ReadAt(buf, 24*mib); err == nil {
		t.Errorf("read %d bytes of a removed snapshot", n)
	}
	soon(t, "the snapshot goes", func() error {
		if _, err := os.Open(snapOf("vm1", "s")); !os.IsNotExist(err) {
			return fmt.Errorf("opened: %v", err)
		}
		return nil
	})
}

// A protected snapshot goes, one with clones does not.
func TestClonesKeepTheirSnapshot(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, "it has clones.*vm2")
	image(t, "vm1", []byte("data"))
	dir := filepath.Join(snapsOf("vm1"), "s")
	must(t, os.Mkdir(dir, 0o755))
	rbd(t, "snap", "protect", spec("vm1@s"))
	rbd(t, "clone", spec("vm1@s"), spec("vm2"))
	want(t, "rmdir", syscall.Rmdir(dir), syscall.EBUSY)
	rbd(t, "rm", spec("vm2"), "--no-progress")
	must(t, syscall.Rmdir(dir))
}
