package start

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// abort ends the kernel's connection of the uppermost mount on a directory.
func abort(t *testing.T, dir string) {
	t.Helper()
	abortMount(t, mountLine(dir))
}

// abortMount ends the kernel's connection of a mount, by its line of mountinfo, as
// root can for any FUSE mount (Documentation/filesystems/fuse.rst).
func abortMount(t *testing.T, line string) {
	t.Helper()
	control := t.TempDir()
	if err := syscall.Mount("none", control, "fusectl", 0, ""); err != nil {
		t.Skipf("needs the file system fusectl: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(control, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	// proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, ...
	_, minor, _ := strings.Cut(strings.Fields(line)[2], ":")
	if err := os.WriteFile(filepath.Join(control, minor, "abort"), []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
}

// busily runs an umount that finds the mount in use.
func busily(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "busy") {
		t.Errorf("%q of a mount in use: %v, %s", argv, err, out)
	}
}

// TestConnectionEndedWhileInUse checks that the daemon of a mount whose connection
// the kernel ends under a writer flushes what the writer was told is written,
// and leaves a directory that can be used.
func TestConnectionEndedWhileInUse(t *testing.T) {
	pool := suite.cluster.Pool(t)
	for name, end := range map[string]func(t *testing.T, dir string){
		"umount -f": func(t *testing.T, dir string) { busily(t, "umount", "-f", dir) },
		"abort":     abort,
	} {
		for _, path := range []string{"c", "go"} {
			t.Run(name+"/"+path, func(t *testing.T) {
				dir := mountDir(t)
				p := foreground(t, suite.cluster, pool, dir, "--data-path="+path)
				f := write(t, filepath.Join(dir, "vm"), []byte("acknowledged"))
				end(t, dir)
				checkEnd(t, p, dir, 0)
				checkDirIsFree(t, dir)
				if _, err := f.WriteString("more"); err == nil {
					t.Error("a write succeeded after the end")
				}
				log := p.stderr.String()
				for _, part := range []string{"the kernel ended the connection", "images=vm", me(t) + ": vm", "everything is flushed"} {
					if !strings.Contains(log, part) {
						t.Errorf("no %q in the log: %s", part, log)
					}
				}
				if got := export(t, suite.cluster, pool, "vm"); string(got) != "acknowledged" {
					t.Errorf("the image holds %q", got)
				}
			})
		}
	}
}

// checkDirIsFree checks that a directory is empty and can be mounted on.
func checkDirIsFree(t *testing.T, dir string) {
	t.Helper()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("the directory after the end: %v, %v", names, err)
	}
}

// TestConnectionEndedWhenIdle is the same with nothing open: umount -f succeeds,
// however soon the daemon hears of the end.
func TestConnectionEndedWhenIdle(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	for range 5 {
		p := foreground(t, suite.cluster, pool, dir)
		if out, err := exec.Command("umount", "-f", dir).CombinedOutput(); err != nil {
			t.Errorf("umount -f: %v, %s", err, out)
		}
		checkEnd(t, p, dir, 0)
		checkDirIsFree(t, dir)
	}
	p := foreground(t, suite.cluster, pool, dir)
	abort(t, dir)
	checkEnd(t, p, dir, 0)
	checkDirIsFree(t, dir)
}

// TestConnectionEndedUnderAnotherMount checks that the daemon takes off nothing
// but its own mount, and that its exit code tells of a dead one that is left.
func TestConnectionEndedUnderAnotherMount(t *testing.T) {
	pool, dir := suite.cluster.Pool(t), mountDir(t)
	p := foreground(t, suite.cluster, pool, dir)
	write(t, filepath.Join(dir, "vm"), []byte("acknowledged"))
	connection := mountLine(dir)
	if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	over := mountLine(dir)
	uncover := func() { _ = syscall.Unmount(dir, 0) }
	t.Cleanup(uncover)
	abortMount(t, connection)
	r := p.result(t)
	if r.code != 7 || !strings.Contains(r.stderr, "umount -l "+dir) || !strings.Contains(r.stderr, "everything is flushed") {
		t.Errorf("%+v", r)
	}
	if now := mountLine(dir); now != over {
		t.Errorf("uppermost is %q, and was %q", now, over)
	}
	uncover()
	if now := mountLine(dir); now != connection {
		t.Errorf("below it is %q, and was %q", now, connection)
	}
	if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
		t.Errorf("what the log says to do: %v, %s", err, out)
	}
	if got := export(t, suite.cluster, pool, "vm"); string(got) != "acknowledged" {
		t.Errorf("the image holds %q", got)
	}
}

// TestBindMountIsNamed checks that a dead mount of the same file system elsewhere
// is left to who made it, and told of.
func TestBindMountIsNamed(t *testing.T) {
	pool, dir, other := suite.cluster.Pool(t), mountDir(t), mountDir(t)
	p := foreground(t, suite.cluster, pool, dir)
	if err := syscall.Mount(dir, other, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	abort(t, dir)
	r := p.result(t)
	if r.code != 7 || !strings.Contains(r.stderr, "umount -l "+other) || mountLine(dir) != "" || !dead(other) {
		t.Errorf("%+v, mounts %q, %q", r, mountLine(dir), mountLine(other))
	}
}

// TestDetachedWhileInUse checks that a mount that was only taken out of the tree is
// served until its last file is closed.
func TestDetachedWhileInUse(t *testing.T) {
	pool := suite.cluster.Pool(t)
	for _, argv := range [][]string{{"umount", "-l"}, {"fusermount3", "-u", "-z"}} {
		dir := mountDir(t)
		p := foreground(t, suite.cluster, pool, dir)
		f := write(t, filepath.Join(dir, "vm"), []byte("before"))
		if out, err := exec.Command(argv[0], append(argv[1:], dir)...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v, %s", argv, err, out)
		}
		checkDirIsFree(t, dir)
		if _, err := f.WriteString(" and after"); err != nil {
			t.Errorf("%q: %v", argv, err)
		}
		if !p.running() {
			t.Errorf("%q: the daemon has ended", argv)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		checkEnd(t, p, dir, 0)
		if got := export(t, suite.cluster, pool, "vm"); string(got) != "before and after" {
			t.Errorf("%q: the image holds %q", argv, got)
		}
	}
}
