package memrbd

import (
	"syscall"
	"testing"
)

func TestSnapshotsHoldStill(t *testing.T) {
	pool := New(Options{ObjectSize: 10})
	id, img := open(t, pool, "vm1", 25)
	must(t, img.WriteAt([]byte("before"), 8))
	must(t, pool.CreateSnapshot(id, "s"))
	must(t, img.WriteAt([]byte("behind"), 8))
	must(t, img.Resize(5))
	list, err := pool.ListSnapshots(id)
	must(t, err)
	if len(list) != 1 || list[0].Name != "s" || list[0].Size != 25 {
		t.Fatalf("%+v", list)
	}
	snap, err := pool.OpenSnapshot(id, list[0].ID)
	must(t, err)
	wantBytes(t, snap, 8, "before\x00\x00")
	if size, err := snap.Size(); err != nil || size != 25 {
		t.Errorf("the snapshot has %d bytes, %v", size, err)
	}
	extents, err := snap.Extents(0, 25)
	must(t, err)
	if len(extents) != 1 || extents[0].Off != 0 || extents[0].Len != 20 {
		t.Errorf("extents are %v", extents)
	}
	must(t, pool.RenameSnapshot(id, "s", "t"))
	must(t, pool.Foreign().SetClones(id, "t", 1))
	wantErrno(t, pool.RemoveSnapshot(id, "t"), syscall.EBUSY)
	must(t, pool.Foreign().SetClones(id, "t", 0))
	must(t, pool.RemoveSnapshot(id, "t"))
	_, err = snap.ReadAt(make([]byte, 1), 0)
	wantErrno(t, err, syscall.ESTALE)
	_, err = pool.StatSnapshot(id, list[0].ID)
	wantErrno(t, err, syscall.ENOENT)
	must(t, snap.Close())
	must(t, img.Close())
	must(t, pool.Close())
}
