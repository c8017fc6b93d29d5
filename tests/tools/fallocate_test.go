package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cut is one change of a file by a tool, and what it does to its bytes.
type cut struct {
	flags  string // of fallocate, or of truncate
	off    int
	length int
	apply  func(b []byte, off, end int) []byte
}

// zeroed makes a range of the bytes zero, as far as there are any.
func zeroed(b []byte, off, end int) []byte {
	if off < len(b) {
		clear(b[off:min(end, len(b))])
	}
	return b
}

// grown makes the bytes reach to end at least.
func grown(b []byte, _, end int) []byte {
	return append(b, make([]byte, max(0, end-len(b)))...)
}

// grownZeroed is both.
func grownZeroed(b []byte, off, end int) []byte { return zeroed(grown(b, off, end), off, end) }

// same changes nothing.
func same(b []byte, _, _ int) []byte { return b }

// cuts are done one after the other to a file of 12 objects and a bit, at odd
// offsets and at the borders of objects.
var cuts = []cut{
	{"-p", 1001, 3, zeroed},
	{"-p", 4095, 4098, zeroed},
	{"-p", objectSize - 1, 2, zeroed},
	{"-p", objectSize, objectSize, zeroed},                  // object 1
	{"-p", 3*objectSize - 777, 2*objectSize + 1554, zeroed}, // objects 3 and 4
	{"-z", 6*objectSize + 1, 100001, zeroed},
	{"-z", 7*objectSize - 1, objectSize + 2, zeroed}, // object 7
	{"-z -n", 12*objectSize + 100, 1 << 20, zeroed},  // past the end
	{"-p", 12*objectSize + 11, 1 << 20, zeroed},      // past the end
	{"-p", 40 * objectSize, 4096, zeroed},            // behind the end
	{"-z", 12*objectSize + 12, 33333, grownZeroed},
	{"", 12 * objectSize, 55555, grown},
	{"-n", 13 * objectSize, 55555, same},
	{"", 14*objectSize + 3, 5, grown},
	{"-p", 9*objectSize + 511, 513, zeroed},
}

// TestFallocate cuts holes into an image whose every byte was random. Reading
// and "rbd export" find the very bytes, and whole objects are gone.
func TestFallocate(t *testing.T) {
	check(t)
	want := random(t, 12*objectSize+4321)
	image := img(t, "fallocate")
	if err := os.WriteFile(image, want, 0o600); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, image, int64(len(want)))
	for _, c := range cuts {
		quiet(t, append(sh("fallocate "+c.flags), "-o", fmt.Sprint(c.off), "-l", fmt.Sprint(c.length), image)...)
		want = c.apply(want, c.off, c.off+c.length)
		wantBytes(t, fmt.Sprintf("fallocate %s -o %d -l %d", c.flags, c.off, c.length), image, want)
	}
	file := filepath.Join(t.TempDir(), "want")
	if err := os.WriteFile(file, want, 0o600); err != nil {
		t.Fatal(err)
	}
	wantExport(t, image, file)
	// Of the first 13 objects, four are gone; the last one was random data.
	const gone, size = 4, 13 * objectSize
	wantUsed(t, image, size-gone*objectSize)
}

// wantBytes checks what reading a file gives.
func wantBytes(t *testing.T, after, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("after %s: %d bytes, should be %d", after, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("after %s: byte %d is %#x, should be %#x", after, i, got[i], want[i])
		}
	}
}

// TestFallocateOfNothing cuts holes where there is no data: that uses no space.
func TestFallocateOfNothing(t *testing.T) {
	check(t)
	image := img(t, "fallocate-hole")
	quiet(t, "truncate", "-s", "50000001", image)
	for _, flags := range []string{"-p -o 1001 -l 20000000", "-z -o 3 -l 33333333", "-l 60000001", "-z -o 59999999 -l 77"} {
		quiet(t, append(sh("fallocate "+flags), image)...)
		wantUsed(t, image, 0)
	}
	if size := stat(t, image).Size; size != 60000076 {
		t.Errorf("%d bytes, should be 60000076", size)
	}
}

// TestDigHoles has fallocate find the zeros in an image and free them.
func TestDigHoles(t *testing.T) {
	check(t)
	source := sparse(t, sparseSize, sparseData)
	image := img(t, "dig-holes")
	quiet(t, "cp", "--sparse=never", source, image)
	wantUsed(t, image, sparseSize)
	quiet(t, "fallocate", "--dig-holes", image)
	wantSame(t, image, source)
	wantUsed(t, image, objects(sparseSize, sparseData))
}

// TestTruncate makes an image shorter and longer: what was cut off does not come
// back, and its objects are gone.
func TestTruncate(t *testing.T) {
	check(t)
	want := random(t, 3*objectSize)
	image := img(t, "truncate")
	if err := os.WriteFile(image, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size string
		len  int
		used int64 // of the bytes that are data
	}{
		{"-7", 3*objectSize - 7, 3*objectSize - 7},
		{"+1000", 3*objectSize + 993, 3 * objectSize},
		{"5000001", 5000001, 5000001},
		{"%4M", 2 * objectSize, 2 * objectSize},
		{"<100M", 2 * objectSize, 2 * objectSize},
		{">100M", 25 * objectSize, 2 * objectSize},
		{"1", 1, 1},
		{"0", 0, 0},
		{"1T", 1 << 40, 0},
		{"77", 77, 0},
	} {
		quiet(t, "truncate", "-s", c.size, image)
		if size := stat(t, image).Size; size != int64(c.len) {
			t.Errorf("truncate -s %s: %d bytes, should be %d", c.size, size, c.len)
		}
		if c.len < 1<<30 {
			want = append(want[:min(len(want), c.len)], make([]byte, max(0, c.len-len(want)))...)
			if c.used == 0 {
				clear(want)
			}
			wantBytes(t, "truncate -s "+c.size, image, want)
		}
		wantUsed(t, image, c.used)
		if info := rbd(t, image, "info", "--format", "json"); !strings.Contains(info, fmt.Sprintf(`"size":%d,`, c.len)) {
			t.Errorf("truncate -s %s: rbd info: %s", c.size, info)
		}
	}
}

// TestFallocateRefused are the modes that RBD has nothing for, and sizes that it
// cannot have.
func TestFallocateRefused(t *testing.T) {
	check(t)
	image := img(t, "refused")
	quiet(t, "truncate", "-s", "16M", image)
	for _, c := range []struct{ reason, argv string }{
		{"not supported", "fallocate --collapse-range -o 4M -l 4M"},
		{"not supported", "fallocate --insert-range -o 4M -l 4M"},
		{"File too large", "truncate -s 7E"},
		{"File too large", "fallocate -l 8191P"},
		{"File too large", "dd if=/dev/zero bs=1 count=1 seek=8000000T conv=notrunc status=none of="},
	} {
		argv := sh(c.argv)
		if last := len(argv) - 1; argv[0] == "dd" {
			argv[last] += image
		} else {
			argv = append(argv, image)
		}
		refused(t, c.reason, argv...)
	}
	if size := stat(t, image).Size; size != 16<<20 {
		t.Errorf("%d bytes, should be as before", size)
	}
}
