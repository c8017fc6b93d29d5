package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// scanSelf scans as findHolders does, but finds this process too.
func scanSelf(m mounted) []holder {
	s := &scanner{proc: "/proc", sys: "/sys", mount: m, ids: map[string][]int{}, mapsUntil: time.Now().Add(scanTime)}
	return s.scan(-1)
}

// realTemp is a temporary folder by the name that /proc gives it.
func realTemp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// heldBySelf are the files that a scan says this process holds.
func heldBySelf(t *testing.T, holders []holder) []string {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holders {
		if strings.HasPrefix(h.who, strings.TrimSpace(string(comm))+" (pid ") {
			return h.files
		}
	}
	return nil
}

func TestHoldersOfOpenAndMappedFiles(t *testing.T) {
	dir := realTemp(t)
	if held := heldBySelf(t, scanSelf(mounted{path: dir})); held != nil {
		t.Errorf("before: %q", held)
	}
	open, err := os.Create(filepath.Join(dir, "open file"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	mapped, err := os.Create(filepath.Join(dir, "mapped file"))
	if err != nil {
		t.Fatal(err)
	}
	if err := mapped.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(int(mapped.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	mapped.Close()
	if held := heldBySelf(t, scanSelf(mounted{path: dir})); !slices.Equal(held, []string{"mapped file", "open file"}) {
		t.Errorf("held: %q", held)
	}
	if held := heldBySelf(t, scanSelf(mounted{path: dir + "2"})); held != nil {
		t.Errorf("of a directory with a longer name: %q", held)
	}
	if held := heldBySelf(t, findHolders(mounted{path: dir})); held != nil {
		t.Errorf("the caller is among the holders: %q", held)
	}
	os.Remove(open.Name())
	if held := heldBySelf(t, scanSelf(mounted{path: dir})); !slices.Contains(held, "open file") {
		t.Errorf("a removed file: %q", held)
	}
}

func TestHoldersByWorkingDirectory(t *testing.T) {
	dir := realTemp(t)
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(sub)
	if held := heldBySelf(t, scanSelf(mounted{path: dir})); !slices.Equal(held, []string{"sub"}) {
		t.Errorf("below: %q", held)
	}
	if held := heldBySelf(t, scanSelf(mounted{path: sub})); !slices.Equal(held, []string{rootName}) {
		t.Errorf("root: %q", held)
	}
}

// fakeProc is a process in a container, which has the mount on another path.
func fakeProc(t *testing.T) string {
	t.Helper()
	proc := t.TempDir()
	for path, text := range map[string]string{
		"12/comm":        "qemu\n",
		"12/maps":        "7f00-7f01 r--s 00000000 00:2d 7  /images/vm 2\n7f02-7f03 r--s 0 00:2e 7 /other\n7f04-7f05 rw-p 0 00:00 0 [heap]\n",
		"12/mountinfo":   "90 1 0:45 / /images rw - fuse.rbdfs rbd:vms rw\n91 1 0:46 / /b rw - ext4 /dev/sda rw\n",
		"12/fdinfo/3":    "pos:\t0\nflags:\t02\nmnt_id:\t90\n",
		"12/fdinfo/4":    "pos:\t0\nflags:\t02\nmnt_id:\t91\n",
		"self/mountinfo": "90 1 0:45 / /mnt rw - fuse.rbdfs rbd:vms rw\n92 1 7:0 / /mnt/x\\040y rw - ext4 /dev/loop0 rw\n",
	} {
		file := filepath.Join(proc, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"12/fd/3": "/images/vm1", "12/fd/4": "/b/vm9", "12/fd/5": "socket:[1]", "12/ns/mnt": "mnt:[1]", "12/cwd": "/", "12/root": "/", "12/exe": "/usr/bin/qemu",
	} {
		file := filepath.Join(proc, link)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestHoldersInContainersLoopsAndMounts(t *testing.T) {
	sys := t.TempDir()
	loop := filepath.Join(sys, "block/loop7/loop")
	if err := os.MkdirAll(loop, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(loop, "backing_file"), []byte("/mnt/disk (deleted)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &scanner{proc: fakeProc(t), sys: sys, mount: mounted{path: "/mnt", device: "0:45"}, ids: map[string][]int{}, mapsUntil: time.Now().Add(scanTime)}
	got := holderText(s.scan(1))
	want := "qemu (pid 12): vm 2, vm1; /dev/loop7: disk; a mount of ext4: x y"
	if got != want {
		t.Errorf("holders %q, want %q", got, want)
	}
	if text := holderText(nil); text == "" {
		t.Error("no words for no holders")
	}
}

func TestParseMounts(t *testing.T) {
	text := `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 0:45 / /a\040b\134c rw - fuse.rbdfs rbd:vms rw
38 35 0:46 / /mnt2 rw shared:1 master:2 - tmpfs none rw
`
	mounts, err := parseMounts(strings.NewReader(text))
	if err != nil || len(mounts) != 3 {
		t.Fatalf("%+v, %v", mounts, err)
	}
	if m, ok := mountAt(mounts, "/mnt2"); !ok || m.id != 38 || m.fstype != "tmpfs" || m.source != "none" {
		t.Errorf("uppermost: %+v", m)
	}
	if m, ok := mountAt(mounts, `/a b\c`); !ok || m.device != "0:45" || m.source != "rbd:vms" {
		t.Errorf("escapes: %+v", m)
	}
	if _, ok := mountAt(mounts, "/mnt"); ok {
		t.Error("a mount that is not there")
	}
	for _, bad := range []string{"x", "36 35", "x 35 98:0 / / rw - ext3 /dev/root rw"} {
		if _, err := parseMounts(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := readMounts(); err != nil {
		t.Error(err)
	}
}
