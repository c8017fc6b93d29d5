package librbd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio"
	"rbdfs/tests/cluster"
)

// layouts are images of every kind that the cluster can make, by the arguments of
// "rbd create". %s is the pool.
var layouts = []struct {
	name string
	args string
}{
	{"default", ""},
	{"4K objects", "--object-size 4K"},
	{"32M objects", "--object-size 32M"},
	{"striped", "--object-size 64K --stripe-unit 4K --stripe-count 3"},
	{"no exclusive-lock", "--image-feature layering"},
	{"no fast-diff", "--image-feature layering,exclusive-lock,object-map"},
	{"no object-map", "--image-feature layering,exclusive-lock"},
	{"journaling", "--image-feature layering,exclusive-lock,object-map,fast-diff,journaling"},
	{"erasure coded", "--data-pool %[1]s-ec"},
	{"striped, erasure coded", "--data-pool %[1]s-ec --object-size 64K --stripe-unit 8K --stripe-count 4"},
}

// ecPool makes an erasure-coded pool beside pool.
func ecPool(t *testing.T, pool string) {
	t.Helper()
	must(t, ceph.CreateECPool(t.Context(), pool+"-ec", 2, 1))
	t.Cleanup(func() { cleanPool(t, pool+"-ec") })
}

// create makes an image by the rbd command and returns its id.
func create(t *testing.T, p *Pool, name string, size uint64, args string) string {
	t.Helper()
	if strings.Contains(args, "%") {
		args = fmt.Sprintf(args, p.cfg.Pool)
	}
	spec := p.cfg.Pool + "/" + name
	rbdCommand(t, append([]string{"create", spec, "--size", fmt.Sprintf("%dB", size)}, strings.Fields(args)...)...)
	id, err := p.Lookup(name)
	must(t, err)
	return id
}

// open opens an image for writing, until the test ends.
func open(t *testing.T, p *Pool, id string) *image {
	t.Helper()
	img, err := p.Open(id)
	must(t, err)
	t.Cleanup(func() {
		if err := img.Close(); err != nil && !rbdio.IsFenced(err) {
			t.Error(err)
		}
	})
	return img.(*image)
}

// openRead opens an image for reading, until the test ends.
func openRead(t *testing.T, p *Pool, id string) rbdio.ReadImage {
	t.Helper()
	img, err := p.OpenReadOnly(id)
	must(t, err)
	t.Cleanup(func() { must(t, img.Close()) })
	return img
}

// Reads, writes and zeroes at any alignment leave what they should, and extents
// hide no data, on every kind of image.
func TestImageModel(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			size := uint64(9<<20 + 777)
			if l.name == "4K objects" {
				size = 1<<20 + 777 // an operation for each
			}
			id := create(t, p, strings.ReplaceAll(l.name, " ", "-"), size, l.args)
			m := newModel(t, open(t, p, id), size)
			for range 20 {
				for range 5 {
					m.step()
				}
				m.check()
			}
			compare(t, openRead(t, p, id), m.data)
		})
	}
}

// What is behind the end is not read, and not written.
func TestImageEnd(t *testing.T) {
	p := newPool(t)
	const size = 5000
	img := open(t, p, create(t, p, "img", size, ""))
	buf := make([]byte, 100)
	for _, test := range []struct {
		off  uint64
		want int
	}{{0, 100}, {size - 100, 100}, {size - 99, 99}, {size - 1, 1}, {size, 0}, {size + 1, 0}, {1 << 40, 0}} {
		n, err := img.ReadAt(buf, test.off)
		if n != test.want || err != nil {
			t.Errorf("read at %d: %d, %v; want %d", test.off, n, err, test.want)
		}
	}
	for _, off := range []uint64{size - 99, size, 1 << 40} {
		if err := img.WriteAt(buf, off); err == nil {
			t.Errorf("write of 100 at %d of %d went well", off, size)
		} else {
			t.Log(err)
		}
		if err := img.WriteZeroes(off, 100); err == nil {
			t.Errorf("zeroing of 100 at %d of %d went well", off, size)
		} else {
			t.Log(err)
		}
	}
	if n, err := img.Size(); n != size || err != nil {
		t.Errorf("the size is %d, %v", n, err)
	}
	for _, r := range [][2]uint64{{0, 0}, {size, 10}, {1 << 40, 10}, {10, 0}} {
		if list, err := img.Extents(r[0], r[1]); len(list) != 0 || err != nil {
			t.Errorf("extents %v: %v, %v", r, list, err)
		}
	}
	must(t, img.WriteAt(buf, 10))
	must(t, img.Flush())
	for _, length := range []uint64{1 << 62, 1<<64 - 1, 1<<64 - 10} {
		if list, err := img.Extents(1, length); len(list) != 1 || list[0] != (rbdio.Extent{Off: 1, Len: size - 1}) || err != nil {
			t.Errorf("extents from 1 on: %v, %v", list, err)
		}
	}
}

// Resizing shows at once, and what comes back after shrinking is zeros.
func TestResize(t *testing.T) {
	p := newPool(t)
	img := open(t, p, create(t, p, "img", 0, ""))
	for _, size := range []uint64{1, 10 << 20, 5<<20 + 5, 12 << 20, 0, 1 << 40} {
		must(t, img.Resize(size))
		if n, err := img.Size(); n != size || err != nil {
			t.Fatalf("the size is %d, %v; want %d", n, err, size)
		}
		if size == 10<<20 {
			must(t, img.WriteAt(bytes.Repeat([]byte{7}, int(size)), 0))
		}
		info, err := p.Stat(img.id)
		must(t, err)
		if info.Size != size {
			t.Errorf("the header says %d, want %d", info.Size, size)
		}
	}
	want := make([]byte, 12<<20)
	got := make([]byte, len(want))
	_, err := img.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("what was cut off is back")
	}
	wantErrno(t, img.Resize(1<<63), syscall.EFBIG)
	wantErrno(t, img.Resize(1<<60), syscall.EFBIG) // by the object map
}

// A user who may only read opens for reading alone.
func TestOpenByCaps(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	q := connect(t, p.cfg.Pool, func(c *Config) { c.Name = cluster.RBDReadOnly })
	_, err := q.Open(id)
	t.Log(err)
	wantErrno(t, err, syscall.EACCES)
	compare(t, openRead(t, q, id), make([]byte, 1<<20))
	if watchers := rbdCommand(t, "status", p.cfg.Pool+"/img"); !strings.Contains(watchers, "Watchers: none") {
		t.Error(watchers)
	}
	_, err = p.Open("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
	r := connect(t, p.cfg.Pool, func(c *Config) { c.ReadOnly = true })
	_, err = r.Open(id)
	wantErrno(t, err, syscall.EROFS)
	_, err = r.Create("new")
	wantErrno(t, err, syscall.EROFS)
	var e *rbdio.Error
	if !errors.As(err, &e) || e.Op != `create "new"` {
		t.Errorf("%#v", err)
	}
}

// A write is over when it is acknowledged: its memory is used for something else
// then. An image whose options have librbd make no copy is not written behind, nor
// without Go.
func TestWriteBehindKeepsWhatItWasGiven(t *testing.T) {
	p := newPool(t)
	for _, disable := range []string{"true", "false"} {
		id := create(t, p, "copies-"+disable, 32<<20, "")
		rbdCommand(t, "config", "image", "set", p.cfg.Pool+"/copies-"+disable, copyOption, disable)
		img := open(t, p, id)
		if direct, want := img.Direct().Calls != nil, disable == "true"; direct != want || (img.behind != nil) != want {
			t.Errorf("with %s, an open image goes to C: %v, and behind: %v", disable, direct, img.behind != nil)
		}
		buf := make([]byte, 1<<20)
		for k := range 16 {
			for i := range buf {
				buf[i] = byte(k + 1)
			}
			must(t, img.WriteAt(buf, uint64(k)<<20))
		}
		clear(buf)
		must(t, img.Flush())
		for k := range 16 {
			if _, err := img.ReadAt(buf, uint64(k)<<20); err != nil || bytes.Count(buf, []byte{byte(k + 1)}) != len(buf) {
				t.Errorf("with %s, write %d reads otherwise, %v", disable, k, err)
			}
		}
	}
}

// What a shrink cut off stays cut off, also what librbd had not begun to write by
// then: it holds a request to the size only once, when it is given it.
func TestShrinkAfterWritesBehind(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 4<<20, "")
	rbdCommand(t, "config", "image", "set", p.cfg.Pool+"/img", "rbd_qos_write_iops_limit", "2")
	img := open(t, p, id)
	want := make([]byte, 4<<20)
	for k := range 6 {
		must(t, img.WriteAt(bytes.Repeat([]byte{1}, 4096), uint64(k)<<19))
		copy(want[k<<19:], bytes.Repeat([]byte{1}, 4096))
	}
	must(t, img.Resize(1<<20+100))
	must(t, img.Resize(4<<20))
	must(t, img.Flush())
	clear(want[1<<20+100:])
	compare(t, img, want)
}
