package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
)

func TestImageIsOpenInTheModeThatItsUsersNeed(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		f := r.open(id, false)
		r.wantOpen(1, 0)
		wantErrno(t, f.WriteAt([]byte{1}, 0), syscall.EBADF)
		wantErrno(t, f.Truncate(1), syscall.EBADF)
		writer := r.open(id, true)
		r.wantOpen(0, 1)
		writer2 := r.open(id, true)
		reader2 := r.open(id, false)
		r.wantOpen(0, 1)
		must(t, writer.WriteAt([]byte("kept"), 0))
		wantErrno(t, f.WriteAt([]byte{1}, 0), syscall.EBADF) // still
		r.release(writer)
		r.wantOpen(0, 1)
		r.release(writer2)
		r.wantOpen(1, 0)
		wantBytes(t, f, 0, []byte("kept"))
		r.release(f)
		r.wantOpen(1, 0)
		r.release(reader2)
		r.wantOpen(0, 0)
	})
}

func TestReadersInFlightOutliveASwitch(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		f := r.open(id, false)
		release := r.pool.Block("ReadAt")
		read := begin(func() error { _, err := f.ReadAt(make([]byte, 100), 0); return err })
		synctest.Wait()
		writer := r.open(id, true)
		r.wantOpen(1, 1) // the old one has a call in flight
		must(t, writer.WriteAt([]byte{1}, 0))
		read2 := begin(func() error { _, err := f.ReadAt(make([]byte, 100), 0); return err })
		synctest.Wait()
		r.release(writer)
		r.wantOpen(2, 1)
		release()
		must(t, read())
		must(t, read2())
		r.wantOpen(1, 0)
		r.release(f)
	})
}

func TestCloseWaitsForCallsInFlight(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		release := r.pool.Block("WriteAt")
		write := begin(func() error { return f.WriteAt([]byte("kept"), 0) })
		synctest.Wait()
		closed := begin(f.Release)
		r.wantOpen(0, 1)
		release()
		must(t, write())
		must(t, closed())
		wantDurable(t, r.pool, f.ID(), 0, "kept")
	})
}

func TestOpenWaitsForACloseAndSeesItsData(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 0)
		f := r.open(id, true)
		must(t, f.WriteAt([]byte("kept"), 0))
		release := r.pool.Block("Close")
		closed := begin(f.Release)
		synctest.Wait()
		var again *rbdio.Handle
		opened := begin(func() (err error) { again, err = r.files.Open(id, false); return err })
		synctest.Wait()
		info, err := f.File().Stat() // is neither an error nor the grown size
		must(t, err)
		if info.Size != 4 {
			t.Errorf("stat beside the close shows %d bytes", info.Size)
		}
		release()
		must(t, closed())
		must(t, opened())
		wantBytes(t, again, 0, []byte("kept"))
		r.release(again)
	})
}

func TestStatBesideTheFirstOpen(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		release := r.pool.Block("Open")
		var h *rbdio.Handle
		opened := begin(func() (err error) { h, err = r.files.Open(id, true); return err })
		synctest.Wait()
		f := r.files.Get(id)
		info, err := f.Stat()
		must(t, err)
		if info.Size != 8000 {
			t.Errorf("stat beside the open shows %d bytes", info.Size)
		}
		release()
		must(t, opened())
		r.files.Put(f)
		r.release(h)
	})
}

func TestFailedOpenLeavesTheImageAsItWas(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		for _, errno := range []syscall.Errno{syscall.EROFS, syscall.EACCES, syscall.EBUSY} {
			r.pool.Fail("Open", 1, errno)
			_, err := r.files.Open(id, true)
			wantErrno(t, err, errno)
		}
		_, err := r.files.Open("nonsense", false)
		wantErrno(t, err, syscall.ENOENT)
		r.wantOpen(0, 0)

		f := r.open(id, false)
		r.pool.Fail("Open", 1, syscall.EROFS)
		_, err = r.files.Open(id, true)
		wantErrno(t, err, syscall.EROFS)
		wantBytes(t, f, 0, make([]byte, 8000))
		r.wantOpen(1, 0)
		r.pool.Fail("Size", 1, syscall.EIO)
		_, err = r.files.Open(id, true)
		wantErrno(t, err, syscall.EIO)
		r.wantOpen(1, 0)
		r.release(f)
	})
}

func TestReaderFollowsAForeignResize(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 100)
		f := r.open(id, false)
		must(t, r.pool.Foreign().Write(id, []byte("more"), 5000))
		time.Sleep(time.Second)
		info, err := f.Stat()
		must(t, err)
		if info.Size != 5004 {
			t.Errorf("stat shows %d bytes", info.Size)
		}
		wantBytes(t, f, 5000, []byte("more"))
		opens := r.pool.Calls("OpenReadOnly")
		_, err = f.Stat()
		must(t, err)
		if got := r.pool.Calls("OpenReadOnly") - opens; got != 0 {
			t.Errorf("opened %d times more without a change", got)
		}
		r.release(f)
	})
}

func TestFencedFileFailsForGood(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		old := r.open(id, true)
		must(t, old.WriteAt([]byte("lost"), 0))
		r.pool.Crash()
		wantFenced(t, old.WriteAt([]byte("late"), 0))
		if f := r.files.Get(id); f != nil {
			t.Error("Get returns a File that was cut off")
		}
		fresh := r.open(id, true)
		if fresh.File() == old.File() {
			t.Fatal("Open returns the File that was cut off")
		}
		must(t, fresh.WriteAt([]byte("kept"), 0))
		_, err := old.ReadAt(make([]byte, 4), 0)
		wantFenced(t, err)
		wantFenced(t, old.Fsync())
		wantFenced(t, old.Truncate(0))
		wantFenced(t, old.Release())
		wantBytes(t, fresh, 0, []byte("kept"))
		r.release(fresh)
		wantDurable(t, r.pool, id, 0, "kept")
	})
}

func TestOpenFindsOutThatAnIdleFileWasFenced(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		idle := r.open(id, false)
		r.pool.Crash()
		f := r.open(id, false)
		wantBytes(t, f, 0, make([]byte, 10))
		r.release(f)
		_ = idle.Release()
	})
}

func TestFilesCloseClosesFencedFilesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rig{t: t, pool: newPool()}
		r.files = newFiles(r.pool, rbdio.FilesOptions{})
		id := r.create("vm1", 8000)
		r.pool.Fail("ReadAt", 1, rbdio.Fenced)
		old := r.open(id, false)
		_, err := old.ReadAt(make([]byte, 1), 0)
		wantFenced(t, err)
		r.open(id, false)
		r.wantOpen(2, 0)
		_ = r.files.Close()
		r.wantOpen(0, 0)
	})
}

func wantFenced(t *testing.T, err error) {
	t.Helper()
	if !rbdio.IsFenced(err) {
		t.Fatalf("error is %v, want that of a client that was cut off", err)
	}
}
