package librbd

import (
	"slices"
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

// Changes are found by the fast diff, and without a map to believe, of any of the
// snapshots between, all of the image is searched; exactly in both cases.
func TestDiffWithInvalidMaps(t *testing.T) {
	p := newPool(t)
	const size, object = 64<<20 + 5, 4 << 20
	id := create(t, p, "img", size, "")
	img := open(t, p, id)
	write := func(off uint64) {
		t.Helper()
		must(t, img.WriteAt([]byte("data"), off))
		must(t, img.Flush())
	}
	write(0)
	write(5 * object)
	a := takeSnap(t, p, id, "a")
	write(2*object + 7)
	must(t, img.WriteZeroes(5*object, object))
	b := takeSnap(t, p, id, "b")
	write(16 * object)
	c := takeSnap(t, p, id, "c")
	exact := []rbdio.DiffExtent{
		{Extent: rbdio.Extent{Off: 2 * object, Len: 11}}, // the object is new
		{Extent: rbdio.Extent{Off: 5 * object, Len: 4}, Zero: true},
		{Extent: rbdio.Extent{Off: 16 * object, Len: 4}},
	}
	fast := []rbdio.Extent{{Off: 2 * object, Len: object}, {Off: 5 * object, Len: object}, {Off: 16 * object, Len: 5}}
	all := []rbdio.Extent{{Len: size}}
	for _, invalid := range []uint64{0, a.ID, b.ID, c.ID} {
		want := fast
		if invalid != 0 {
			want = all
			setSnapFlags(t, p, id, invalid, flagFastDiffInvalid)
		}
		i := openSnap(t, p, id, c.ID)
		got, err := i.Changed(a.ID)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%d invalid: changed %v, want %v", invalid, got, want)
		}
		diff, err := i.Diff(a.ID, 0, size)
		must(t, err)
		if !slices.Equal(diff, exact) {
			t.Errorf("%d invalid: %v, want %v", invalid, diff, exact)
		}
		if invalid != 0 {
			setSnapFlags(t, p, id, invalid, 0)
		}
	}
	i := openSnap(t, p, id, c.ID)
	must(t, p.RemoveSnapshot(id, "a"))
	_, err := i.Changed(a.ID)
	wantErrno(t, err, syscall.ESTALE)
	_, err = i.Diff(a.ID, 0, size)
	wantErrno(t, err, syscall.ESTALE)
	full, err := i.Changed(0)
	must(t, err)
	want := []rbdio.Extent{{Len: object}, {Off: 2 * object, Len: object}, {Off: 16 * object, Len: 5}}
	if !slices.Equal(full, want) {
		t.Errorf("all of it: %v, want %v", full, want)
	}
}

// setSnapFlags sets the flags of a snapshot, as librbd does.
func setSnapFlags(t *testing.T, p *Pool, id string, snap, flags uint64) {
	t.Helper()
	in := new(encoder).u64(flags).u64(flagObjectMapInvalid | flagFastDiffInvalid).u64(snap).b
	if errno := writeSteps(p.current.io, headerObject(id), []step{{method: "set_flags", in: in}}); errno != 0 {
		t.Fatal(errno)
	}
}
