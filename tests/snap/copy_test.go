package snap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// sum is the checksum of a file.
func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:8])
}

// A snapshot of an image that is being written to is copied with its holes, by
// cp, tar and rsync, to what rbd export says it is.
func TestCopyTools(t *testing.T) {
	need(t, "tar", "rsync")
	env.Mount.Check(t)
	path := image(t, "vm1", nil)
	must(t, os.Truncate(path, 200*mib))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	stop := make(chan struct{})
	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(stop)
	writer.Go(func() {
		r, p := rand.New(rand.NewPCG(1, 2)), make([]byte, 4096)
		for {
			select {
			case <-stop:
				return
			default:
			}
			copy(p, bytes.Repeat([]byte{byte(r.IntN(256))}, len(p)))
			if _, err := f.WriteAt(p, int64(r.IntN(50))*4*mib+int64(r.IntN(2*mib))); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	time.Sleep(100 * time.Millisecond)
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	work := t.TempDir()
	raw, snap := filepath.Join(work, "raw"), snapOf("vm1", "s")
	rbd(t, "export", "--no-progress", spec("vm1@s"), raw)
	want := sum(t, raw)
	for tool, argv := range map[string][]string{
		"cp":    {"cp", "--sparse=auto", "--preserve=timestamps", snap, work + "/cp"},
		"rsync": {"rsync", "-S", "-t", snap, work + "/rsync"},
		"tar":   {"sh", "-c", `cd "$1/.." && tar -S -cf - s/vm1 | tar -S -C "$2" -xf - && mv "$2/s/vm1" "$2/tar"`, "sh", filepath.Dir(snap), work},
	} {
		if out := run(t, argv...); out != "" {
			t.Errorf("%s: %s", tool, out)
		}
		got := stat(t, filepath.Join(work, tool))
		if s := sum(t, filepath.Join(work, tool)); s != want {
			t.Errorf("%s: the copy has the sum %s, rbd export %s", tool, s, want)
		}
		if orig := stat(t, snap); got.Mtim.Sec != orig.Mtim.Sec || got.Size != orig.Size {
			t.Errorf("%s: %+v, want %+v", tool, got, orig)
		}
		if got.Blocks*512 >= 200*mib {
			t.Errorf("%s: the copy has no holes", tool)
		}
	}
	if st := stat(t, snap); st.Blocks == 0 || st.Blocks*512 > 200*mib {
		t.Errorf("st_blocks is %d", st.Blocks)
	}
}

// Three hundred snapshots are listed, with their attributes, at the pace of ls.
func TestManySnapshots(t *testing.T) {
	env.Mount.Check(t)
	image(t, "vm1", []byte("data"))
	const many = 300
	var makers sync.WaitGroup
	for i := range many {
		makers.Go(func() {
			if err := os.Mkdir(filepath.Join(snapsOf("vm1"), fmt.Sprintf("s%03d", i)), 0o755); err != nil {
				t.Error(err)
			}
		})
	}
	makers.Wait()
	time.Sleep(visible) // what the kernel knows of them expires
	begin := time.Now()
	list := run(t, "ls", "-l", snapsOf("vm1"))
	t.Log("ls -l took", time.Since(begin))
	begin = time.Now()
	rbd(t, "snap", "ls", spec("vm1"))
	t.Log("rbd snap ls took", time.Since(begin))
	if n := strings.Count(list, " s"); n != many {
		t.Errorf("%d snapshots, want %d", n, many)
	}
	inodes := map[uint64]bool{}
	for i := range many {
		inodes[stat(t, snapOf("vm1", fmt.Sprintf("s%03d", i))).Ino] = true
	}
	if len(inodes) != many {
		t.Errorf("%d inode numbers", len(inodes))
	}
}

// Two mounts make and remove snapshots of one image at once, which one of them
// writes to; each snapshot that is there is whole.
func TestTwoMounts(t *testing.T) {
	b := env.Start(t, harness.Options{})
	env.Mount.Check(t)
	path := image(t, "vm1", bytes.Repeat([]byte{1}, 8*mib))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var wg sync.WaitGroup
	for i, m := range []*harness.Mount{env.Mount, b} {
		for n := range 10 {
			wg.Go(func() {
				dir := m.Path(fmt.Sprintf(".snap/vm1/%d-%d", i, n))
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Error(err)
					return
				}
				data, err := os.ReadFile(dir + "/vm1")
				if err != nil || len(data) != 8*mib || bytes.Count(data[:mib], data[:1]) != mib || bytes.Count(data, []byte{1}) < 7*mib {
					t.Errorf("%s: %d bytes, %v", dir, len(data), err)
				}
				if err := os.Remove(dir); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for n := range 10 { // a write of one object is in a snapshot whole, or not at all
		_, err := f.WriteAt(bytes.Repeat([]byte{byte(n + 2)}, mib), 0)
		must(t, err)
	}
	wg.Wait()
	// The name that both want goes to one.
	first, second := os.Mkdir(env.Mount.Path(".snap/vm1/x"), 0o755), os.Mkdir(b.Path(".snap/vm1/x"), 0o755)
	must(t, first)
	want(t, "mkdir on the other mount", second, syscall.EEXIST)
	soon(t, "the snapshot shows", func() error { _, err := os.Stat(b.Path(".snap/vm1/x/vm1")); return err })
	must(t, os.Rename(b.Path(".snap/vm1/x"), b.Path(".snap/vm1/y")))
	soon(t, "the new name shows", func() error { _, err := os.Stat(snapOf("vm1", "y")); return err })
}

// A file system in a snapshot is mounted read-only by way of a loop device.
func TestLoopDevice(t *testing.T) {
	need(t, "losetup", "mkfs.ext4")
	if os.Geteuid() != 0 {
		t.Skip("only root may have loop devices and mounts")
	}
	env.Mount.Check(t)
	path := image(t, "vm1", nil)
	must(t, os.Truncate(path, 64*mib))
	run(t, "mkfs.ext4", "-q", "-d", "/etc/apt", path)
	must(t, os.Mkdir(filepath.Join(snapsOf("vm1"), "s"), 0o755))
	must(t, os.Truncate(path, 0))
	// In a mount namespace, so that nothing stays whatever happens.
	run(t, "unshare", "--mount", "sh", "-ec", `dev=$(losetup --find --show --read-only "$1")
		trap 'losetup --detach $dev' EXIT
		mount -t ext4 -o ro,noload $dev "$2"; rmdir "$2/lost+found" 2>/dev/null || true
		diff --recursive --no-dereference --exclude=lost+found /etc/apt "$2"; umount "$2"`, "sh", snapOf("vm1", "s"), t.TempDir())
}
