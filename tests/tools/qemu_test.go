package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A disk of a size that qemu takes without rounding, otherwise as sparseData.
const diskSize = 33<<20 + 4096

// disk is a sparse file of diskSize.
func disk(t *testing.T) string {
	t.Helper()
	return sparse(t, diskSize, sparseData)
}

// TestQemuConvert converts a disk into an image and back.
func TestQemuConvert(t *testing.T) {
	check(t)
	need(t, "qemu-img")
	source := disk(t)
	for _, flags := range []string{"", "-W", "-m 16 -W", "-t none -T none", "-S 0", "-n", "-n -m 16 -W"} {
		t.Run("convert "+flags, func(t *testing.T) {
			image, back := img(t, "converted"), filepath.Join(t.TempDir(), "back")
			if strings.Contains(flags, "-n") {
				quiet(t, "qemu-img", "create", "-q", "-f", "raw", image, fmt.Sprint(diskSize))
			}
			convert := sh("qemu-img convert -f raw -O raw " + flags)
			quiet(t, append(convert, source, image)...)
			wantSame(t, image, source)
			want := objects(diskSize, sparseData)
			if strings.Contains(flags, "-S 0") {
				want = diskSize // it is asked to write the zeros
			}
			wantUsed(t, image, want)
			quiet(t, append(sh("qemu-img convert -f raw -O raw"), image, back)...)
			quiet(t, "cmp", source, back)
			if got := allocated(t, back); got > objects(diskSize, sparseData) {
				t.Errorf("converted back, it uses %d bytes", got)
			}
			quiet(t, "qemu-img", "compare", "-q", "-s", "-f", "raw", "-F", "raw", back, source)
			quiet(t, "qemu-img", "compare", "-q", "-f", "raw", "-F", "raw", image, source)
		})
	}
}

// TestQemuConvertInside converts one image to another, and compares two that
// differ.
func TestQemuConvertInside(t *testing.T) {
	check(t)
	need(t, "qemu-img", "qemu-io")
	source := disk(t)
	first, second := img(t, "first"), img(t, "second")
	quiet(t, append(sh("qemu-img convert -f raw -O raw -m 16 -W"), source, first)...)
	quiet(t, append(sh("qemu-img convert -f raw -O raw -m 16 -W"), first, second)...)
	wantSame(t, second, source)
	wantUsed(t, second, objects(diskSize, sparseData))
	compare := sh("qemu-img compare -f raw -F raw", first, second)
	if out := run(t, compare...); out != "Images are identical.\n" {
		t.Errorf("qemu-img compare: %s", out)
	}
	run(t, "qemu-io", "-f", "raw", "-c", "write -P 1 20M 1", second)
	stdout, _, err := execute(t.Context(), compare...)
	if err == nil || !strings.Contains(stdout, "Content mismatch at offset 20971520!") {
		t.Errorf("qemu-img compare: %v: %s", err, stdout)
	}
}

// TestQemuCreateResizeInfo are the commands that make a disk.
func TestQemuCreateResizeInfo(t *testing.T) {
	check(t)
	need(t, "qemu-img")
	image := img(t, "created")
	info := func() (i struct {
		Size   int64 `json:"virtual-size"`
		Actual int64 `json:"actual-size"`
		Format string
	}) {
		t.Helper()
		if err := json.Unmarshal([]byte(run(t, append(sh("qemu-img info --output=json -f raw"), image)...)), &i); err != nil {
			t.Fatal(err)
		}
		return i
	}
	quiet(t, append(sh("qemu-img create -q -f raw"), image, "100M")...)
	// qemu-img writes zeros to the first 4 KiB of a new file, for its later
	// probing of the alignment (qemu: block/file-posix.c, allocate_first_block).
	wantUsed(t, image, objectSize)
	for _, c := range []struct {
		flags, size string
		want        int64
	}{{"", "200M", 200 << 20}, {"", "+1G", 200<<20 + 1<<30}, {"--shrink", "10M", 10 << 20}, {"--preallocation=off", "1T", 1 << 40}} {
		run(t, append(sh("qemu-img resize -q -f raw "+c.flags), image, c.size)...)
		if i := info(); i.Size != c.want || i.Actual != objectSize || i.Format != "raw" {
			t.Errorf("qemu-img resize to %s: %+v", c.size, i)
		}
		wantUsed(t, image, objectSize)
	}
	refused(t, "--shrink", append(sh("qemu-img resize -q -f raw"), image, "1M")...)
	quiet(t, append(sh("qemu-img create -q -f raw"), image, "8M")...) // anew, in place
	if i := info(); i.Size != 8<<20 {
		t.Errorf("created anew: %+v", i)
	}
}

// TestQemuMap shows the holes of an image.
func TestQemuMap(t *testing.T) {
	check(t)
	need(t, "qemu-img")
	image := img(t, "mapped")
	quiet(t, "cp", disk(t), image)
	var extents []struct {
		Start, Length int64
		Data, Zero    bool
	}
	if err := json.Unmarshal([]byte(run(t, append(sh("qemu-img map --output=json -f raw"), image)...)), &extents); err != nil {
		t.Fatal(err)
	}
	var end, data int64
	for _, e := range extents {
		if e.Start != end || e.Data == e.Zero {
			t.Errorf("%+v behind %d", e, end)
		}
		end = e.Start + e.Length
		if e.Data {
			data += e.Length
		}
	}
	if want := objects(diskSize, sparseData); end != diskSize || data != want {
		t.Errorf("the map ends at %d and has %d bytes of data, should be %d and %d: %+v", end, data, diskSize, want, extents)
	}
}

// TestQcow2InImage keeps a qcow2 file in an image, as big as it gets.
func TestQcow2InImage(t *testing.T) {
	check(t)
	need(t, "qemu-img", "qemu-io")
	source := disk(t)
	image, back := img(t, "disk.qcow2"), filepath.Join(t.TempDir(), "back")
	quiet(t, append(sh("qemu-img create -q -f qcow2"), image, fmt.Sprint(diskSize))...)
	quiet(t, append(sh("qemu-img check -q"), image)...)
	quiet(t, append(sh("qemu-img convert -q -n -m 16 -W -f raw -O qcow2"), source, image)...)
	quiet(t, append(sh("qemu-img check -q"), image)...)
	quiet(t, append(sh("qemu-img compare -q -f qcow2 -F raw"), image, source)...)
	run(t, append(sh("qemu-img snapshot -c before"), image)...)
	for _, cache := range []string{"none", "writeback", "directsync"} {
		run(t, "qemu-io", "-f", "qcow2", "-t", cache, "-c", "write -P 0x5a 3M 2M", "-c", "discard 12M 4M", "-c", "flush", image)
		run(t, "qemu-io", "-f", "qcow2", "-c", "read -P 0x5a 3M 2M", "-c", "read -P 0 12M 4M", image)
		quiet(t, append(sh("qemu-img check -q"), image)...)
	}
	run(t, append(sh("qemu-img snapshot -a before"), image)...)
	quiet(t, append(sh("qemu-img convert -f qcow2 -O raw"), image, back)...)
	quiet(t, "cmp", source, back)
	quiet(t, append(sh("qemu-img resize -q -f qcow2"), image, "1G")...)
	quiet(t, append(sh("qemu-img check -q"), image)...)
	if got, want := allocated(t, image), used(t, image); got != (want+511)/512*512 {
		t.Errorf("st_blocks: %d bytes, rbd du: %d", got, want)
	}
}

// TestQemuIO writes, discards and reads back in one process and in the next one.
func TestQemuIO(t *testing.T) {
	check(t)
	need(t, "qemu-io")
	for _, cache := range []string{"none", "writeback", "directsync"} {
		t.Run(cache, func(t *testing.T) {
			image := img(t, "qemu-io")
			quiet(t, "truncate", "-s", "64M", image)
			io := func(commands ...string) {
				t.Helper()
				argv := sh("qemu-io -f raw -d unmap -t " + cache)
				for _, c := range commands {
					argv = append(argv, "-c", c)
				}
				out := run(t, append(argv, image)...)
				if strings.Contains(out, "failed") || strings.Contains(out, "error") {
					t.Errorf("qemu-io: %s", out)
				}
			}
			io("write -P 0xab 0 64M", "read -P 0xab 0 64M", "flush")
			io("read -P 0xab 0 64M", "write -P 0xcd 4M 512", "write -P 0xef 8191k 3k", "flush")
			io("read -P 0xcd 4M 512", "read -P 0xef 8191k 3k", "read -P 0xab 8194k 1M")
			wantUsed(t, image, 64<<20)
			io("discard 16M 16M", "read -P 0 16M 16M", "flush")
			io("write -z -u 32M 8M", "read -P 0 32M 8M", "read -P 0xab 40M 24M")
			io("discard 50M 100k", "read -P 0 50M 100k", "read -P 0xab 51300k 1M")
			io("aio_write -P 1 0 1M", "aio_write -P 2 1M 1M", "aio_write -z 60M 64k", "aio_flush", "read -P 1 0 1M", "read -P 2 1M 1M", "read -P 0 60M 64k")
			wantUsed(t, image, 40<<20)
		})
	}
}
