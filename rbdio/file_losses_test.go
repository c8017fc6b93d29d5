package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"

	"rbdfs/rbdio"
)

// lose has a write acknowledged through f that then fails.
func (r rig) lose(f *rbdio.Handle) {
	r.t.Helper()
	r.pool.Lose(1, syscall.EDQUOT)
	must(r.t, f.WriteAt([]byte("lost"), 0))
}

// Each handle that was open hears of a lost write by its own fsync, once, whatever
// other calls come before.
func TestEachHandleHearsOfALostWrite(t *testing.T) {
	for name, between := range map[string]func(rig, *rbdio.Handle){
		"nothing":       func(rig, *rbdio.Handle) {},
		"seek":          func(r rig, f *rbdio.Handle) { _, err := f.SeekData(0); must(r.t, ignoreENXIO(err)) },
		"stat":          func(r rig, f *rbdio.Handle) { _, err := f.Stat(); must(r.t, err) },
		"close of dup":  func(r rig, f *rbdio.Handle) { wantErrno(r.t, f.Flush(), syscall.EDQUOT) },
		"look":          func(r rig, f *rbdio.Handle) { wantErrno(r.t, f.Lost(), syscall.EDQUOT) },
		"snapshot":      func(r rig, f *rbdio.Handle) { wantErrno(r.t, r.snap(f, "s"), syscall.EDQUOT) },
		"open to read":  func(r rig, f *rbdio.Handle) { r.openAndClose(f.ID(), false) },
		"open to write": func(r rig, f *rbdio.Handle) { r.openAndClose(f.ID(), true) },
		"another write": func(r rig, f *rbdio.Handle) { must(r.t, f.WriteAt([]byte("kept"), 100)) },
		"copy": func(r rig, f *rbdio.Handle) {
			_, err := f.CopyRange(0, f, 4000, 10)
			must(r.t, err)
		},
		"rename": func(r rig, _ *rbdio.Handle) { must(r.t, r.files.Rename("vm1", "vm2", false)) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				id := r.create("vm1", 8000)
				f, other, reader := r.open(id, true), r.open(id, true), r.open(id, false)
				r.lose(f)
				between(r, f)
				for _, h := range []*rbdio.Handle{f, other, reader} {
					wantErrno(t, h.Fsync(), syscall.EDQUOT)
					must(t, h.Fsync())
					must(t, h.Flush())
				}
				for _, h := range []*rbdio.Handle{f, other, reader} {
					r.release(h)
				}
			})
		})
	}
}

// openAndClose opens an image, asks whether all is safe, and closes it.
func (r rig) openAndClose(id string, write bool) {
	r.t.Helper()
	f := r.open(id, write)
	must(r.t, f.Fsync()) // what was lost before is not its own
	must(r.t, f.Flush())
	r.release(f)
}

// Calls of one handle that overlap all tell.
func TestFsyncsThatOverlapAllTell(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		f, other := r.open(id, true), r.open(id, true)
		r.lose(f)
		release := r.pool.Block("Flush")
		var ends []func() error
		for _, fsync := range []func() error{f.Fsync, f.Fsync, f.Flush, other.Fsync} {
			ends = append(ends, begin(fsync))
		}
		synctest.Wait()
		release()
		for _, end := range ends {
			wantErrno(t, end(), syscall.EDQUOT)
		}
		must(t, f.Fsync())
		must(t, other.Fsync())
		r.release(f)
		r.release(other)
	})
}

// A close tells again what a close has told before, and fsync too: it may have been
// the close of a descriptor that another process had.
func TestCloseTakesNoErrorAway(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		r.lose(f)
		wantErrno(t, f.Flush(), syscall.EDQUOT)
		wantErrno(t, f.Flush(), syscall.EDQUOT)
		wantErrno(t, f.Fsync(), syscall.EDQUOT)
		must(t, f.Flush())
		r.release(f)
	})
}

// The count goes on over the exchange of the image for one of another mode.
func TestLossesOutliveTheImage(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		reader, f := r.open(id, false), r.open(id, true)
		r.lose(f)
		wantErrno(t, f.Release(), syscall.EDQUOT) // nobody was told
		r.wantOpen(1, 0)
		f = r.open(id, true)
		r.wantOpen(0, 1)
		must(t, f.Fsync())
		wantErrno(t, reader.Fsync(), syscall.EDQUOT)
		r.lose(f)
		wantErrno(t, reader.Fsync(), syscall.EDQUOT)
		wantErrno(t, f.Fsync(), syscall.EDQUOT)
		r.release(f)
		r.release(reader)
	})
}

// A snapshot lacks what was lost. It is refused when nobody else was told, and once.
func TestSnapshotTellsOfALostWriteOnce(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		r.lose(f)
		wantErrno(t, r.snap(f, "s1"), syscall.EDQUOT)
		must(t, r.snap(f, "s1"))
		r.lose(f)
		wantErrno(t, f.Fsync(), syscall.EDQUOT)
		must(t, r.snap(f, "s2"))
		r.release(f)
	})
}

// Nobody asks: the error is told to the log when the image is closed.
func TestReleaseTellsWhatNobodyAskedFor(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		r.lose(f)
		wantErrno(t, f.Release(), syscall.EDQUOT)
		f = r.open(f.ID(), true)
		r.lose(f)
		wantErrno(t, f.Flush(), syscall.EDQUOT)
		must(t, f.Release())
	})
}

// A call that goes on after the release of its handle keeps the file.
func TestCallOutlivesItsHandle(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("data"), 0))
		must(t, f.Fsync())
		release := r.pool.Block("Extents")
		seek := begin(func() error { _, err := f.SeekData(0); return err })
		r.pool.Await("Extents", 1)
		released := begin(f.Release)
		synctest.Wait()
		if ids := r.files.OpenIDs(); len(ids) != 1 {
			t.Errorf("while a call is under way, the open images are %v", ids)
		}
		release()
		must(t, seek())
		must(t, released())
		_, err := f.ReadAt(make([]byte, 1), 0)
		wantErrno(t, err, syscall.EBADF)
	})
}
