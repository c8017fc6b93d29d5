package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"

	"rbdfs/rbdio"
)

// source makes an image with data at its second object and behind the sixth.
func (r rig) source() *rbdio.Handle {
	r.t.Helper()
	id := r.create("source", 0)
	must(r.t, r.pool.Foreign().Write(id, filled(object, 1), object))
	must(r.t, r.pool.Foreign().Write(id, filled(100, 2), 6*object))
	must(r.t, r.pool.Foreign().Resize(id, 10*object))
	return r.open(id, false)
}

// wantCopied compares how much was copied.
func wantCopied(t *testing.T, got uint64, err error, want uint64) {
	t.Helper()
	must(t, err)
	if got != want {
		t.Fatalf("copied %d bytes, want %d", got, want)
	}
}

func TestCopyRangeKeepsHoles(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		from, to := r.source(), r.open(r.create("copy", 0), true)
		n, err := from.CopyRange(0, to, 0, 10*object)
		wantCopied(t, n, err, 10*object)
		r.wantData(to, objects(1, 1), objects(6, 1))
		want := make([]byte, 10*object)
		_, err = from.ReadAt(want, 0)
		must(t, err)
		wantBytes(t, to, 0, want)
		must(t, to.Fsync())
		r.wantSizes(to, 10*object, 10*object)
		r.release(from)
		r.release(to)
	})
}

func TestCopyRangeOverDataMakesHoles(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		from, to := r.source(), r.open(r.create("copy", 0), true)
		must(t, to.WriteAt(filled(20*object, 9), 0))
		n, err := from.CopyRange(100, to, 2*object+100, 6*object)
		wantCopied(t, n, err, 6*object)
		want := filled(20*object, 9)
		_, err = from.ReadAt(want[2*object+100:8*object+100], 100)
		must(t, err)
		wantBytes(t, to, 0, want)
		r.release(from)
		r.release(to)
	})
}

func TestCopyRangeEndsWithTheSource(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		from, to := r.source(), r.open(r.create("copy", 0), true)
		n, err := from.CopyRange(6*object, to, 0, 1<<62)
		wantCopied(t, n, err, 4*object)
		n, err = from.CopyRange(10*object, to, 0, 100)
		wantCopied(t, n, err, 0)
		n, err = from.CopyRange(1<<62, to, 0, 100)
		wantCopied(t, n, err, 0)
		n, err = from.CopyRange(0, to, 0, 0)
		wantCopied(t, n, err, 0)
		if size := to.Size(); size != 4*object {
			t.Errorf("the copy has %d bytes", size)
		}
		wantBytes(t, to, 0, append(filled(100, 2), make([]byte, 4*object-100)...))
		r.release(from)
		r.release(to)
	})
}

func TestCopyRangeInOneFile(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		must(t, f.WriteAt([]byte("here"), 0))
		n, err := f.CopyRange(0, f, 4, 4)
		wantCopied(t, n, err, 4)
		wantBytes(t, f, 0, []byte("herehere"))
		r.release(f)
	})
}

func TestCopyRangeThatFailsMidwaySaysHowFarItCame(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		from, to := r.source(), r.open(r.create("copy", 0), true)
		r.pool.Fail("WriteAt", 1, syscall.ENOSPC)
		n, err := from.CopyRange(0, to, 0, 10*object)
		if wantErrno(t, err, syscall.ENOSPC); n != object {
			t.Errorf("copied %d bytes, want the hole before the data", n)
		}
		r.pool.Fail("ReadAt", 1, syscall.EIO)
		n, err = from.CopyRange(0, to, 0, 10*object)
		if wantErrno(t, err, syscall.EIO); n != object {
			t.Errorf("copied %d bytes, want the hole before the data", n)
		}
		r.pool.Fail("WriteZeroes", 1, syscall.EIO)
		must(t, to.Truncate(10*object))
		n, err = from.CopyRange(0, to, 0, 10*object)
		if wantErrno(t, err, syscall.EIO); n != 0 {
			t.Errorf("copied %d bytes, want none", n)
		}
		_, err = to.CopyRange(0, from, 0, 10)
		wantErrno(t, err, syscall.EBADF)
		r.release(from)
		r.release(to)
	})
}

func TestCopyRangeFromAFileThatIsCutMeanwhile(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		from, to := r.open(r.create("vm1", 0), true), r.open(r.create("copy", 0), true)
		must(t, from.WriteAt(filled(8000, 1), 0))
		release := r.pool.Block("ReadAt")
		n := uint64(0)
		copied := begin(func() (err error) { n, err = from.CopyRange(0, to, 0, 8000); return err })
		synctest.Wait()
		must(t, from.Truncate(100))
		release()
		must(t, copied())
		if n != 100 || to.Size() != 100 {
			t.Errorf("copied %d bytes, and the copy has %d", n, to.Size())
		}
		r.release(from)
		r.release(to)
	})
}
