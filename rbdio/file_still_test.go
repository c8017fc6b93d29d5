package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"

	"rbdfs/rbdio"
)

// snap takes a snapshot while a file holds still.
func (r rig) snap(f interface {
	ID() string
	Still(func() error) error
}, name string) error {
	return f.Still(func() error { return r.pool.CreateSnapshot(f.ID(), name) })
}

func TestSnapshotHasWhatWasWritten(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		must(t, f.WriteAt([]byte("data"), 3*object))
		if r.physical(f.ID()) == f.Size() {
			t.Fatal("the image did not grow ahead")
		}
		must(t, r.snap(f, "s"))
		list, err := r.pool.ListSnapshots(f.ID())
		must(t, err)
		if list[0].Size != 3*object+4 || f.Size() != list[0].Size || r.physical(f.ID()) != list[0].Size {
			t.Errorf("%+v of a file of %d bytes", list, f.Size())
		}
		img, err := r.pool.OpenSnapshot(f.ID(), list[0].ID)
		must(t, err)
		got := make([]byte, 4)
		if _, err := img.ReadAt(got, 3*object); err != nil || string(got) != "data" {
			t.Errorf("read %q, %v", got, err)
		}
		must(t, img.Close())
		must(t, f.WriteAt([]byte("more"), 4*object))
		if f.Size() != 4*object+4 {
			t.Errorf("the file has %d bytes", f.Size())
		}
	})
}

func TestWritesWaitForTheSnapshot(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100), true)
		defer r.release(f)
		release := r.pool.Block("CreateSnapshot")
		taken := make(chan error, 1)
		go func() { taken <- r.snap(f, "s") }()
		r.pool.Await("CreateSnapshot", 1)
		written := make(chan error, 1)
		go func() { written <- f.WriteAt([]byte("late"), 0) }()
		synctest.Wait()
		if len(written) > 0 || r.pool.Calls("WriteAt") > 0 {
			t.Error("a write did not wait")
		}
		release()
		must(t, <-taken)
		must(t, <-written)
	})
}

func TestSnapshotFailsWithItsFlush(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100), true)
		must(t, f.WriteAt([]byte("data"), 0))
		r.pool.Fail("Flush", 1, syscall.EIO)
		wantErrno(t, r.snap(f, "s"), syscall.EIO)
		if r.pool.Calls("CreateSnapshot") > 0 {
			t.Error("there is a snapshot of data that is not on the OSDs")
		}
		must(t, f.WriteAt([]byte("more"), 0)) // it is not held for good
		must(t, r.snap(f, "s"))
		wantErrno(t, f.Release(), syscall.EIO) // whoever wrote has not heard of it
	})
}

// An image that is opened for writing while it is held still waits, too.
func TestStillBeforeAnImageIsOpen(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 100)
		held := r.files.Hold(id)
		defer r.files.Put(held)
		release := r.pool.Block("CreateSnapshot")
		taken := make(chan error, 1)
		go func() { taken <- r.snap(held, "s") }()
		r.pool.Await("CreateSnapshot", 1)
		f := r.open(id, true)
		defer r.release(f)
		written := make(chan error, 2)
		go func() { written <- f.WriteAt([]byte("late"), 98) }()
		go func() { written <- f.Truncate(200) }()
		synctest.Wait()
		if f.File() != held || len(written) > 0 || r.pool.Calls("WriteAt")+r.pool.Calls("Resize") > 0 {
			t.Error("a change did not wait")
		}
		release()
		must(t, <-taken)
		must(t, <-written)
		must(t, <-written)
		if list, err := r.pool.ListSnapshots(id); err != nil || list[0].Size != 100 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
