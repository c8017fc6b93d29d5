package librbd

import (
	"bytes"
	"slices"
	"testing"

	"rbdfs/rbdio"
)

// setFlags sets or clears flags of an image, as librbd does when it finds that an
// object map cannot be right.
func setFlags(t *testing.T, p *Pool, id string, flags, mask uint64) {
	t.Helper()
	in := new(encoder).u64(flags).u64(mask).b
	if errno := writeSteps(p.current.io, headerObject(id), []step{{method: "set_flags", in: in}}); errno != 0 {
		t.Fatal(errno)
	}
}

// An image with a flag that says so is all data, also where it was opened before.
func TestExtentsOfInvalidMaps(t *testing.T) {
	p := newPool(t)
	const size = 64<<20 + 5
	id := create(t, p, "img", size, "")
	img, reader := open(t, p, id), openRead(t, p, id)
	must(t, img.WriteAt([]byte{1}, 20<<20))
	must(t, img.Flush())
	some := []rbdio.Extent{{Off: 20 << 20, Len: 4 << 20}}
	all := []rbdio.Extent{{Off: 7, Len: size - 7}}
	for _, test := range []struct {
		flags     uint64
		want      []rbdio.Extent
		allocated int64
	}{
		{0, some, 4 << 20},
		{flagFastDiffInvalid, all, 4 << 20},
		{flagObjectMapInvalid, all, rbdio.Unknown},
		{flagObjectMapInvalid | flagFastDiffInvalid, all, rbdio.Unknown},
		{0, some, 4 << 20},
	} {
		setFlags(t, p, id, test.flags, flagObjectMapInvalid|flagFastDiffInvalid)
		for _, i := range []rbdio.ReadImage{img, reader, openRead(t, p, id)} {
			list, err := i.Extents(7, size)
			must(t, err)
			if !slices.Equal(list, test.want) {
				t.Errorf("flags %d: %v, want %v", test.flags, list, test.want)
			}
		}
		info, err := p.Stat(id)
		must(t, err)
		if info.Allocated != test.allocated {
			t.Errorf("flags %d: %d bytes allocated, want %d", test.flags, info.Allocated, test.allocated)
		}
	}
}

// Extents of a clone include its parent's, with and without an object map on
// either, and are no longer its parent's once it is flattened.
func TestExtentsOfClones(t *testing.T) {
	p := newPool(t)
	const size = 33<<20 + 999
	for _, features := range []string{"layering", "layering,exclusive-lock,object-map,fast-diff,deep-flatten"} {
		t.Run(features, func(t *testing.T) {
			name := "parent" + features[len("layering"):][:min(1, len(features)-len("layering"))]
			parent := p.cfg.Pool + "/" + name
			id := create(t, p, name, size, "--image-feature "+features)
			data := make([]byte, size)
			img := open(t, p, id)
			put := func(img *image, b byte, off, length int) {
				t.Helper()
				p := data[off : off+length]
				copy(p, bytes.Repeat([]byte{b}, length))
				must(t, img.WriteAt(p, uint64(off)))
			}
			put(img, 1, 5<<20, 100)
			put(img, 2, size-10, 10)
			must(t, img.Flush())
			rbdCommand(t, "snap", "create", parent+"@s", "--no-progress")
			for _, kind := range []string{"layering", "layering,exclusive-lock,object-map,fast-diff"} {
				clone := name + "-" + kind
				rbdCommand(t, "clone", "--rbd-default-clone-format", "2", parent+"@s", p.cfg.Pool+"/"+clone, "--image-feature", kind)
				cloneID, err := p.Lookup(clone)
				must(t, err)
				info, err := p.Stat(cloneID)
				must(t, err)
				if info.Allocated != rbdio.Unknown {
					t.Errorf("a clone has %d bytes allocated", info.Allocated)
				}
				before := bytes.Clone(data)
				c := open(t, p, cloneID)
				check := func() {
					t.Helper()
					compare(t, c, data)
					must(t, c.Flush())
					checkExtents(t, c, data, 0, size)
					checkExtents(t, c, data, 5<<20+50, 20<<20)
				}
				check()
				put(c, 3, 17<<20+5, 5000)
				check()
				must(t, c.WriteZeroes(5<<20, 200)) // the parent's
				clear(data[5<<20 : 5<<20+200])
				check()
				must(t, c.WriteZeroes(4<<20, 4<<20))
				check()
				rbdCommand(t, "flatten", p.cfg.Pool+"/"+clone, "--no-progress")
				check()
				data = before
				compare(t, img, data)
			}
		})
	}
}

// Snapshots in between do not hide or show anything.
func TestExtentsWithSnapshots(t *testing.T) {
	p := newPool(t)
	const size = 9<<20 + 1
	for _, l := range layouts[:6] {
		t.Run(l.name, func(t *testing.T) {
			name := "img" + l.name[:1] + l.name[len(l.name)-1:]
			m := newModel(t, open(t, p, create(t, p, name, size, l.args)), size)
			for _, snap := range []string{"a", "b", "c"} {
				for range 3 {
					m.step()
				}
				must(t, m.img.Flush())
				rbdCommand(t, "snap", "create", p.cfg.Pool+"/"+name+"@"+snap, "--no-progress")
				m.check()
				must(t, m.img.WriteZeroes(0, size))
				clear(m.data)
				m.check()
			}
		})
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct{ in, want []rbdio.Extent }{
		{nil, nil},
		{[]rbdio.Extent{{Off: 0, Len: 5}}, nil},
		{[]rbdio.Extent{{Off: 0, Len: 100}}, []rbdio.Extent{{Off: 10, Len: 10}}},
		{[]rbdio.Extent{{Off: 15, Len: 2}, {Off: 12, Len: 3}}, []rbdio.Extent{{Off: 12, Len: 5}}},
		{[]rbdio.Extent{{Off: 12, Len: 5}, {Off: 13, Len: 1}, {Off: 18, Len: 9}}, []rbdio.Extent{{Off: 12, Len: 5}, {Off: 18, Len: 2}}},
	} {
		in := slices.Clone(test.in)
		if got := clip(in, 10, 20); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.in, got, test.want)
		}
	}
}
