package tools

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const loopSize = 128 << 20

// TestLoopDevice keeps an ext4 file system in an image, by way of a loop device.
func TestLoopDevice(t *testing.T) {
	need(t, "losetup", "mkfs.ext4", "fsck.ext4", "fstrim")
	if os.Geteuid() != 0 {
		t.Skip("only root may have loop devices and mounts")
	}
	for _, option := range []string{"--direct-io=off", "--direct-io=on"} {
		t.Run(option, func(t *testing.T) {
			check(t)
			image, files := img(t, "loop"), someFiles(t)
			quiet(t, "truncate", "-s", "128M", image)
			ns := newNamespace(t)
			fillAndTrim(t, ns, image, option, files)
			if out := run(t, "fsck.ext4", "-fn", image); strings.Contains(strings.ToLower(out), "error") {
				t.Error(out)
			}
			dev := ns.attach(image, option)
			dir := ns.mount(dev, "ro")
			ns.run("diff", "-r", files, filepath.Join(dir, filepath.Base(files)))
			ns.unmount(dir)
			ns.detach(dev)
			if got, want := allocated(t, image), used(t, image); got != want {
				t.Errorf("st_blocks: %d bytes, rbd du: %d", got, want)
			}
		})
	}
}

// fillAndTrim makes a file system in the image, writes files, removes a large
// one, and trims: the image then uses less.
func fillAndTrim(t *testing.T, ns *namespace, image, option, files string) {
	t.Helper()
	const large = 48 << 20
	dev := ns.attach(image, option)
	if direct := run(t, "losetup", "--noheadings", "--output=DIO", dev); strings.TrimSpace(direct) != "0" != strings.HasSuffix(option, "=on") {
		t.Errorf("losetup %s: DIO is %s", option, direct)
	}
	ns.run("mkfs.ext4", "-q", "-b", "4096", dev)
	dir := ns.mount(dev, "rw")
	ns.run("cp", "-r", files, dir)
	ns.run("dd", "if=/dev/urandom", "of="+filepath.Join(dir, "large"), "bs=1M", "count=48", "conv=fsync", "status=none")
	full := used(t, image)
	ns.run("rm", filepath.Join(dir, "large"))
	ns.run("sync", "--file-system", dir)
	ns.run("fstrim", dir)
	ns.run("sync", "--file-system", dir)
	// The large file need not begin and end between two objects.
	if trimmed := used(t, image); trimmed > full-large*3/4 {
		t.Errorf("fstrim: rbd du says %d bytes, said %d with %d bytes more of files", trimmed, full, large)
	}
	if got := allocated(t, image); got >= loopSize || got == 0 {
		t.Errorf("st_blocks of an image that is in use and has holes: %d bytes", got)
	}
	ns.unmount(dir)
	ns.detach(dev)
}

// someFiles makes a folder of files of many sizes.
func someFiles(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	data := random(t, 1<<20)
	for i := range 60 {
		name := filepath.Join(dir, strings.Repeat("n", i+1))
		if err := os.WriteFile(name, bytes.Clone(data[:i*i*256]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// attach makes the image a loop device, and returns its path. It goes when the
// test process does: once we hold it open, detaching it only marks it to be
// cleared with its last close (losetup(8), lazy device destruction).
func (ns *namespace) attach(image, option string) string {
	ns.t.Helper()
	dev := strings.TrimSpace(run(ns.t, "losetup", "--find", "--show", option, image))
	f, err := os.OpenFile(dev, os.O_RDWR, 0)
	run(ns.t, "losetup", "--detach", dev)
	if err != nil {
		ns.t.Fatal(err)
	}
	ns.t.Cleanup(func() { _ = f.Close() }) // closed already, after detach
	ns.held[dev] = f
	return dev
}

// detach waits until the device no longer uses the image.
func (ns *namespace) detach(dev string) {
	ns.t.Helper()
	if err := ns.held[dev].Close(); err != nil {
		ns.t.Fatal(err)
	}
	eventually(ns.t, dev+" still has its image", func() bool {
		_, err := os.Stat("/sys/block/" + filepath.Base(dev) + "/loop/backing_file")
		return os.IsNotExist(err)
	})
}

// eventually waits for what nothing announces.
func eventually(t *testing.T, not string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(commandTime)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %v, %s", commandTime, not)
		}
	}
}
