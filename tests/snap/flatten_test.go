package snap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rbdfs/tests/harness"
)

// golden makes an image of random data with a snapshot, and a clone of it.
func golden(t *testing.T, size int) (data []byte, clonePath string) {
	t.Helper()
	data = random(t, size)
	image(t, "golden", data)
	cleared(t)
	must(t, os.Mkdir(filepath.Join(snapsOf("golden"), "v1"), 0o755))
	return data, clone(t, snapOf("golden", "v1"), "vm")
}

// flatten begins to flatten a clone.
func flatten(t *testing.T, path string) {
	t.Helper()
	must(t, unix.Setxattr(path, "user.rbd.flatten", []byte("1"), 0))
}

// xattr is getxattr(2).
func xattr(path, name string) (string, error) {
	buf := make([]byte, 1000)
	n, err := unix.Getxattr(path, name, buf)
	return string(buf[:max(n, 0)]), err
}

// percent reads how far a flattening is.
func percent(t *testing.T, path, suffix string) int {
	t.Helper()
	text, err := xattr(path, "user.rbd.flatten")
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSuffix(text, suffix))
	if err != nil {
		t.Fatalf("%q does not end with %q", text, suffix)
	}
	return n
}

// wantContent fails when a file has other bytes.
func wantContent(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not as they were, %v", path, len(got), err)
	}
}

// A flattened clone has its own data, also what is written meanwhile, and lets
// its parent's snapshot go.
func TestFlatten(t *testing.T) {
	env.Mount.Check(t)
	data, path := golden(t, 64*mib)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	flatten(t, path)
	for off := 0; off < len(data); off += 5 * mib {
		copy(data[off:], "written meanwhile")
		_, err := f.WriteAt(data[off:off+17], int64(off))
		must(t, err)
	}
	must(t, f.Close())
	for got := ""; got != "100%"; {
		if got, err = xattr(path, "user.rbd.flatten"); err != nil || len(got) > 4 {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if parent, err := xattr(path, "user.rbd.parent"); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("parent %q, %v", parent, err)
	}
	if info := rbd(t, "info", spec("vm")); strings.Contains(info, "parent") {
		t.Error(info)
	}
	wantContent(t, path, data)
	must(t, os.Remove(filepath.Join(snapsOf("golden"), "v1")))
	wantContent(t, path, data)
	want(t, "flatten again", unix.Setxattr(path, "user.rbd.flatten", []byte("1"), 0), syscall.EINVAL)
}

// Setting 0 stops a flattening, and so does unmounting, and it can be begun again.
func TestFlattenIsStopped(t *testing.T) {
	env.Mount.Check(t)
	data, path := golden(t, 256*mib)
	m := env.Start(t, harness.Options{})
	if got, err := xattr(m.Path("vm"), "user.rbd.flatten"); got != "0%" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	flatten(t, m.Path("vm"))
	last := 0
	for last == 0 { // it has begun to copy
		last = percent(t, m.Path("vm"), "%")
	}
	must(t, unix.Setxattr(m.Path("vm"), "user.rbd.flatten", []byte("0"), 0))
	m.WaitLog(t, "stopped flattening a clone.*percent")
	if now := percent(t, m.Path("vm"), "%, stopped"); now < last || now == 100 {
		t.Errorf("it has copied %d%%, had %d%%", now, last)
	}
	wantContent(t, path, data)
	flatten(t, m.Path("vm"))
	must(t, m.Unmount())
	if strings.Count(m.Log(), "stopped flattening a clone") != 2 {
		t.Errorf("not stopped: %s", m.Log())
	}
	if info := rbd(t, "info", spec("vm")); !strings.Contains(info, "parent: "+spec("golden")+"@v1") {
		t.Error(info)
	}
	wantContent(t, path, data)
	flatten(t, path)
	env.Mount.WaitLog(t, "flattened a clone")
	wantContent(t, path, data)
}

// One that waits for its turn ends when it is told to, and closes its clone, though
// those before it go on.
func TestWaitingFlattenIsStopped(t *testing.T) {
	env.Mount.Check(t)
	golden := image(t, "golden", nil)
	cleared(t)
	must(t, os.Truncate(golden, 4<<40)) // a million objects
	must(t, os.Mkdir(filepath.Join(snapsOf("golden"), "v1"), 0o755))
	var busy []string
	for i := range 4 {
		busy = append(busy, clone(t, snapOf("golden", "v1"), fmt.Sprint("busy", i)))
		flatten(t, busy[i])
	}
	path := clone(t, snapOf("golden", "v1"), "vm")
	flatten(t, path)
	watched := func() bool { return strings.Contains(rbd(t, "status", spec("vm")), "watcher=") }
	for !watched() {
		time.Sleep(10 * time.Millisecond)
	}
	must(t, unix.Setxattr(path, "user.rbd.flatten", []byte("0"), 0))
	for watched() {
		if got, err := xattr(busy[0], "user.rbd.flatten"); err != nil || strings.Contains(got, "stopped") || got == "100%" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if got, err := xattr(path, "user.rbd.flatten"); err != nil || got != "0%, stopped" {
		t.Errorf("%q, %v", got, err)
	}
	for _, b := range busy {
		must(t, unix.Setxattr(b, "user.rbd.flatten", []byte("0"), 0))
	}
	for _, b := range busy {
		for got := ""; !strings.HasSuffix(got, ", stopped"); {
			var err error
			if got, err = xattr(b, "user.rbd.flatten"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
