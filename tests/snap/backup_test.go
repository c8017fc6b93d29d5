package snap

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// tools back up $1, a directory with the image's file in it, called vm1, and
// restore it as $2/vm1.
var tools = map[string]string{
	"cp":     `mkdir bak; cp -r --preserve=timestamps --sparse=auto "$1" bak/s; cp --sparse=always --preserve=timestamps bak/s/vm1 "$2/vm1"`,
	"tar":    `tar -C "$1" -S -cf bak.tar vm1; tar -C "$2" -S -xf bak.tar`,
	"rsync":  `rsync -S -rt "$1/" bak; rsync -S -t bak/vm1 "$2/vm1"`,
	"restic": `cd "$1"; restic="restic -q --no-cache -r $OLDPWD/bak"; $restic init; $restic backup vm1; $restic backup vm1; $restic restore latest --target "$2"`,
	"qemu":   `qemu-img convert -f raw -O qcow2 "$1/vm1" bak; qemu-img convert -f qcow2 -O raw bak "$2/vm1"; touch -r "$1/vm1" "$2/vm1"`,
}

// A snapshot of an image that is being written to is backed up with its holes by
// each tool, restored to what rbd export says it is, and so is its copy in the pool.
func TestBackup(t *testing.T) {
	need(t, "tar", "rsync", "restic", "qemu-img")
	t.Setenv("RESTIC_PASSWORD", "secret")
	env.Mount.Check(t)
	const size = 120 * mib
	path := image(t, "vm1", nil)
	must(t, os.Truncate(path, size))
	writeOn(t, path, size)
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	snap, raw := snapOf("vm1", "s"), filepath.Join(t.TempDir(), "raw")
	rbd(t, "export", "--no-progress", spec("vm1@s"), raw)
	same(t, raw, snap)
	orig := stat(t, snap)
	if orig.Blocks == 0 || orig.Blocks*512 >= size {
		t.Errorf("st_blocks is %d", orig.Blocks)
	}
	for tool, script := range tools {
		work, restored := t.TempDir(), t.TempDir()
		if out := run(t, "sh", "-euc", `cd "$3"; `+script, "sh", filepath.Dir(snap), restored, work); out != "" && tool != "restic" {
			t.Errorf("%s: %s", tool, out)
		}
		copied := filepath.Join(restored, "vm1")
		same(t, raw, copied)
		if st := stat(t, copied); st.Mtim.Sec != orig.Mtim.Sec || st.Blocks*512 >= size && tool != "restic" {
			t.Errorf("%s: %+v, want the time and the holes of %+v", tool, st, orig)
		}
	}
	run(t, "cp", snap, env.Mount.Path("vm2"))
	t.Cleanup(func() { must(t, os.Remove(env.Mount.Path("vm2"))) })
	same(t, raw, env.Mount.Path("vm2"))
	if st := stat(t, env.Mount.Path("vm2")); st.Blocks*512 >= size {
		t.Errorf("the copy in the pool has no holes: %+v", st)
	}
}

// same fails unless two files have the same bytes.
func same(t *testing.T, want, got string) {
	t.Helper()
	run(t, "cmp", want, got)
}

// writeOn writes to places of an image until the test ends, and returns when that
// is under way.
func writeOn(t *testing.T, path string, size int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	written, ended := atomic.Int64{}, make(chan struct{})
	t.Cleanup(func() {
		stop()
		<-ended
		must(t, f.Close())
	})
	go func() {
		defer close(ended)
		const object = 4 * mib
		for ; ctx.Err() == nil; written.Add(1) {
			p := bytes.Repeat([]byte{byte(rand.IntN(255) + 1)}, 4096)
			// In every other object, so that there are holes.
			off := rand.IntN(size/object/2)*2*object + rand.IntN(object-len(p))
			if _, err := f.WriteAt(p, int64(off)); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond) // the tools shall have the machine
		}
	}()
	for written.Load() < 50 {
		time.Sleep(time.Millisecond)
	}
}

// loops runs a script with loop devices and mounts, in a mount namespace, so that
// nothing stays whatever happens.
func loops(t *testing.T, script string, args ...string) {
	t.Helper()
	need(t, "losetup", "mkfs.ext4", "sfdisk", "partx", "fsfreeze")
	if os.Geteuid() != 0 {
		t.Skip("only root may have loop devices and mounts")
	}
	argv := []string{"unshare", "--mount", "sh", "-euc", "keep=" + env.Mount.Dir + harness.Apart + `
		devs=
		trap 'for d in $devs; do losetup --detach $d; done' EXIT
		attach() { dev=$(losetup --find --show "$@"); devs="$devs $dev"; }
		same() { diff --recursive --no-dereference --exclude=lost+found /etc/apt "$1"; }
	` + strings.TrimSpace(script), "sh"}
	if out := run(t, append(argv, args...)...); out != "" {
		t.Error(out)
	}
}

// A file system that is in use, and frozen for the snapshot, is mounted from the
// snapshot without its journal.
func TestLoopDevice(t *testing.T) {
	env.Mount.Check(t)
	path := image(t, "vm1", nil)
	must(t, os.Truncate(path, 64*mib))
	loops(t, `
		mkfs.ext4 -q "$1"
		attach "$1"
		mount -t ext4 $dev "$4"
		cp -a /etc/apt/. "$4"
		fsfreeze --freeze "$4"
		mkdir "$2" || { fsfreeze --unfreeze "$4"; false; }
		fsfreeze --unfreeze "$4"
		rm -r "$4"/*
		umount "$4"
		attach --read-only "$3"
		mount -t ext4 -o ro,noload $dev "$4"
		same "$4"
		umount "$4"`, path, filepath.Join(snapsOf("vm1"), "s"), snapOf("vm1", "s"), t.TempDir())
}

// The partitions of a disk are read from its snapshot.
func TestPartitions(t *testing.T) {
	env.Mount.Check(t)
	path := image(t, "vm1", nil)
	must(t, os.Truncate(path, 64*mib))
	loops(t, `
		printf 'label: gpt\n1MiB 20MiB\n21MiB 20MiB\n' | sfdisk --quiet "$1"
		for mib in 1 21; do mkfs.ext4 -q -d /etc/apt -E offset=$((mib << 20)) "$1" 20M; done
		mkdir "$2"
		truncate --size=0 "$1"
		attach --read-only --partscan "$3"
		[ -e ${dev}p1 ] || partx --add $dev # where the kernel knows no such tables
		for part in p1 p2; do
			mount -t ext4 -o ro,noload $dev$part "$4"
			same "$4"
			umount "$4"
		done`, path, filepath.Join(snapsOf("vm1"), "s"), snapOf("vm1", "s"), t.TempDir())
}
