package rbdio_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

func TestFsyncWaitsForAFlushUnderWay(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("kept"), 0))
		release := r.pool.Block("Flush")
		first := begin(f.Fsync)
		synctest.Wait()
		returned := make(chan struct{})
		second := begin(func() error { defer close(returned); return f.Fsync() })
		synctest.Wait()
		select {
		case <-returned:
			t.Error("the second fsync returned before anything was flushed")
		default:
		}
		release()
		must(t, first())
		must(t, second())
		r.release(f)
	})
}

func TestFsyncOfAFlushThatFailsBesideItFails(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("kept"), 0))
		release := r.pool.Block("Flush")
		r.pool.Fail("Flush", 2, syscall.EIO)
		first := begin(f.Fsync)
		synctest.Wait()
		second := begin(f.Fsync)
		synctest.Wait()
		release()
		wantErrno(t, first(), syscall.EIO)
		wantErrno(t, second(), syscall.EIO)
		must(t, f.Fsync()) // what was not flushed is kept
		r.crash(f)
		wantDurable(t, r.pool, f.ID(), 0, "kept")
	})
}

func TestFlushWithoutWritesDoesNothing(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("x"), 0))
		must(t, f.Fsync())
		flushes, attrs := r.pool.Calls("Flush"), r.pool.Calls("SetAttr")
		must(t, f.Fsync())
		must(t, f.Fsync())
		must(t, f.Flush())
		must(t, f.Flush())
		r.release(f)
		if got := r.pool.Calls("Flush") - flushes; got != 0 {
			t.Errorf("%d flushes of nothing", got)
		}
		if got := r.pool.Calls("SetAttr") - attrs; got != 1 {
			t.Errorf("the time was kept %d times, want once", got)
		}
	})
}

func TestWriteBesideAFlushIsFlushedByTheNext(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("before"), 0))
		releaseWrite := r.pool.Block("WriteAt")
		write := begin(func() error { return f.WriteAt([]byte("beside"), 100) })
		synctest.Wait()
		must(t, f.Fsync()) // begins and ends while the write is on its way
		releaseWrite()
		must(t, write())
		must(t, f.Fsync())
		r.crash(f)
		wantDurable(t, r.pool, f.ID(), 0, "before")
		wantDurable(t, r.pool, f.ID(), 100, "beside")
	})
}

// With writing behind, what a flush says is lost is not flushed by the next.
func TestFsyncTellsOfAFlushThatFailedForOthers(t *testing.T) {
	for name, ask := range map[string]func(rig, *rbdio.Handle) error{
		"seek":     func(_ rig, f *rbdio.Handle) error { _, err := f.SeekData(0); return err },
		"snapshot": func(r rig, f *rbdio.Handle) error { return r.snap(f, "s") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				f := r.open(r.create("vm1", 8000), true)
				must(r.t, f.WriteAt([]byte("x"), 0))
				r.pool.Fail("Flush", 1, syscall.EIO)
				wantErrno(r.t, ask(r, f), syscall.EIO)
				must(r.t, ask(r, f))
				wantErrno(r.t, f.Fsync(), syscall.EIO)
				must(r.t, f.Fsync())
				r.release(f)
			})
		})
	}
}

func TestCloseReportsAFailedFlush(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("x"), 0))
		r.pool.Fail("Flush", -1, syscall.EIO)
		wantErrno(t, f.Flush(), syscall.EIO)
		wantErrno(t, f.Release(), syscall.EIO)
		r.wantOpen(0, 0)

		r.pool.Fail("Flush", 0, 0)
		f = r.open(f.ID(), true)
		r.pool.Fail("Close", 1, syscall.ENOSPC)
		wantErrno(t, f.Release(), syscall.ENOSPC)
	})
}

func TestFailedFlushKeepsAnImageOpenForItsReaders(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		reader := r.open(f.ID(), false)
		must(t, f.WriteAt([]byte("kept"), 0))
		r.pool.Fail("Flush", 1, syscall.EIO)
		wantErrno(t, f.Release(), syscall.EIO)
		wantBytes(t, reader, 0, []byte("kept"))
		wantErrno(t, reader.Release(), syscall.EIO) // tries again; nobody was told of the first error
		wantDurable(t, r.pool, f.ID(), 0, "kept")
	})
}

func TestFilesCloseFlushesWhatIsOpen(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		files := newFiles(r.pool, rbdio.FilesOptions{ReadOnly: true})
		f, err := files.Open(r.create("vm1", 0), true)
		must(t, err)
		must(t, f.WriteAt([]byte("kept"), 0))
		must(t, files.Close())
		r.wantOpen(0, 0)
		wantDurable(t, r.pool, f.ID(), 0, "kept")
		if physical := r.physical(f.ID()); physical != 4 {
			t.Errorf("the image has %d bytes, want 4", physical)
		}
		wantErrno(t, f.WriteAt([]byte("late"), 0), syscall.EIO)
		_, err = f.ReadAt(make([]byte, 1), 0)
		wantErrno(t, err, syscall.EIO)
		_, err = files.Open(f.ID(), false)
		wantErrno(t, err, syscall.EIO)
		must(t, f.Release())
	})
}

func TestFilesCloseSettlesAWriteThatCameLate(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		files := newFiles(r.pool, rbdio.FilesOptions{ReadOnly: true})
		f, err := files.Open(r.create("vm1", 0), true)
		must(t, err)
		must(t, f.WriteAt([]byte("kept"), 0))
		release := r.pool.Block("SetAttr") // after the flush, before the close
		closed := begin(files.Close)
		synctest.Wait()
		must(t, f.WriteAt([]byte("too"), 4))
		release()
		must(t, closed())
		wantDurable(t, r.pool, f.ID(), 0, "kepttoo")
		if physical := r.physical(f.ID()); physical != 7 {
			t.Errorf("the image has %d bytes, want 7", physical)
		}
		must(t, f.Release())
	})
}

// crash ends this client, and the use of f.
func (r rig) crash(f *rbdio.Handle) {
	r.t.Helper()
	r.pool.Crash()
	_ = f.Release() // it may have something to flush
}

// wantDurable compares what a new client reads.
func wantDurable(t rapid.TB, pool *memrbd.Pool, id string, fileOff uint64, want string) {
	t.Helper()
	img, err := pool.OpenReadOnly(id)
	must(t, err)
	defer img.Close()
	got := make([]byte, len(want))
	_, err = img.ReadAt(got, fileOff)
	must(t, err)
	if string(got) != want {
		t.Errorf("on the OSDs are %q, want %q", got, want)
	}
}

// A crash takes nothing that was fsynced: each byte is then what it was at the
// last fsync, or what was written to it since.
func TestCrashKeepsWhatWasFsynced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 3 * object
		pool := newPool()
		files := newFiles(pool, rbdio.FilesOptions{ReadOnly: true})
		id, err := pool.Create("vm1")
		must(t, err)
		f, err := files.Open(id, true)
		must(t, err)
		var allowed [size][]byte // values that a byte may have after a crash; zero before it is written
		synced := uint64(0)      // the size at the last fsync
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "fsync") {
				must(t, f.Fsync())
				synced = f.Size()
				for i := range allowed {
					allowed[i] = allowed[i][max(0, len(allowed[i])-1):]
				}
				continue
			}
			off := rapid.IntRange(0, size-1).Draw(t, "off")
			p := filled(rapid.IntRange(1, size-off).Draw(t, "n"), rapid.ByteMin(1).Draw(t, "value"))
			must(t, f.WriteAt(p, uint64(off)))
			for i := range p {
				if len(allowed[off+i]) == 0 {
					allowed[off+i] = []byte{0}
				}
				allowed[off+i] = append(allowed[off+i], p[i])
			}
		}
		crashAtRandom(t, pool)
		_ = f.Release()
		must(t, files.Close())
		checkCrashed(t, pool, id, synced, allowed[:])
	})
}

// crashAtRandom ends the client; any parts of what was not flushed are lost.
func crashAtRandom(t *rapid.T, pool *memrbd.Pool) {
	pool.CrashAtRandom(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash"), 0)))
}

// checkCrashed reads an image after a crash: all of its synced bytes are there,
// and each byte has one of the values that it may have.
func checkCrashed(t *rapid.T, pool *memrbd.Pool, id string, synced uint64, allowed [][]byte) {
	img, err := pool.OpenReadOnly(id)
	must(t, err)
	defer img.Close()
	got := make([]byte, len(allowed))
	n, err := img.ReadAt(got, 0)
	must(t, err)
	if uint64(n) < synced {
		t.Fatalf("%d bytes are left of the %d at the last fsync", n, synced)
	}
next:
	for i, b := range got[:n] {
		for _, value := range allowed[i] {
			if b == value {
				continue next
			}
		}
		if b != 0 || len(allowed[i]) > 0 {
			t.Fatalf("byte %d is %#x, want one of %#x", i, b, allowed[i])
		}
	}
}

func TestCrashBeforeFsyncMayLose(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		must(t, f.WriteAt([]byte("lost"), 0))
		time.Sleep(time.Hour) // nobody flushes by time
		r.crash(f)
		wantDurable(t, r.pool, f.ID(), 0, "\x00\x00\x00\x00")
	})
}
