package rbdio_test

import (
	"bytes"
	"math"
	"syscall"
	"testing"
	"testing/synctest"

	"rbdfs/rbdio"
)

func TestSequentialWriteResizesRarely(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		for end := uint64(mib); end <= 8*gib; end += mib {
			must(t, f.WriteAt([]byte{1}, end-1))
			if ahead := r.physical(f.ID()) - end; f.Size() != end || ahead > gib {
				t.Fatalf("the file has %d bytes and %d ahead, want %d", f.Size(), ahead, end)
			}
		}
		// 4 MiB doubling to 1 GiB is 9 steps and nearly 2 GiB, then 1 GiB each.
		if calls := r.pool.Calls("Grow"); calls > 16 {
			t.Errorf("8 GiB in pieces of 1 MiB made %d resizes", calls)
		}
	})
}

func TestGrowthSettles(t *testing.T) {
	for name, settle := range map[string]func(rig, *rbdio.Handle) error{
		"fsync":    func(_ rig, f *rbdio.Handle) error { return f.Fsync() },
		"flush":    func(_ rig, f *rbdio.Handle) error { return f.Flush() },
		"settle":   func(_ rig, f *rbdio.Handle) error { return f.Settle() },
		"rename":   func(r rig, _ *rbdio.Handle) error { return r.files.Rename("vm1", "vm2", false) },
		"truncate": func(_ rig, f *rbdio.Handle) error { return f.Truncate(5000) },
		"release":  func(_ rig, f *rbdio.Handle) error { return f.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				f := r.open(r.create("vm1", 0), true)
				reader := r.open(f.ID(), false)
				must(r.t, f.WriteAt(filled(5000, 1), 0))
				if physical := r.physical(f.ID()); physical <= 5000 {
					r.t.Fatalf("the image has %d bytes: it did not grow ahead", physical)
				}
				must(r.t, settle(r, f))
				r.wantSizes(reader, 5000, 5000)
				wantBytes(r.t, reader, 0, filled(5000, 1))
				r.release(f)
				r.release(reader)
				if physical := r.physical(f.ID()); physical != 5000 {
					r.t.Errorf("closed, the image has %d bytes", physical)
				}
			})
		})
	}
}

func TestLastCloseSettles(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		must(t, f.Extend(100))
		r.release(f)
		if physical := r.physical(f.ID()); physical != 100 {
			t.Errorf("the image has %d bytes", physical)
		}
	})
}

func TestForeignResizeOfAGrownImageIsAdopted(t *testing.T) {
	for name, next := range map[string]func(f *rbdio.Handle) error{
		"fsync": func(f *rbdio.Handle) error { return f.Fsync() },
		"stat":  func(f *rbdio.Handle) error { _, err := f.Stat(); return err },
		// Growing from the size that was known would cut the other's data off.
		"write past the known end": func(f *rbdio.Handle) error { return f.WriteAt([]byte{2}, 20*mib) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				f := r.open(r.create("vm1", 0), true)
				defer r.release(f)
				must(r.t, f.WriteAt(filled(5000, 1), 0))
				must(r.t, r.pool.Foreign().Write(f.ID(), []byte("theirs"), 100*mib))
				must(r.t, next(f))
				r.wantSizes(f, 100*mib+6, 100*mib+6)
				wantBytes(r.t, f, 100*mib, []byte("theirs"))
				must(r.t, f.Fsync())
				r.wantSizes(f, 100*mib+6, 100*mib+6)
			})
		})
	}
}

func TestForeignShrinkIsAdopted(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		defer r.release(f)
		must(t, r.pool.Foreign().Resize(f.ID(), 100))
		wantBytes(t, f, 0, make([]byte, 100))
		got := make([]byte, 200)
		if n, err := f.ReadAt(got, 0); n != 100 || err != nil {
			t.Fatalf("read %d bytes, %v, want the 100 that are left", n, err)
		}
		must(t, r.pool.Foreign().Resize(f.ID(), 50))
		must(t, f.WriteAt([]byte{1}, 60)) // behind the end that librbd knows
		must(t, f.Fsync())
		r.wantSizes(f, 61, 61)
	})
}

func TestForeignShrinkUnderAWriteLeavesNoSizeBehindTheImage(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		must(t, f.WriteAt([]byte{1}, 0))
		release := r.pool.Block("WriteAt")
		end := begin(func() error { return f.WriteAt(filled(100, 1), 1000) })
		synctest.Wait()
		must(t, r.pool.Foreign().Resize(f.ID(), 2000)) // its write still fits
		_, err := f.Stat()
		must(t, err)
		must(t, r.pool.Foreign().Resize(f.ID(), 0))
		_, err = f.Stat()
		must(t, err)
		release()
		must(t, end()) // it was refused, and then grew the image
		r.wantSizes(f, 1100, r.physical(f.ID()))
		want := make([]byte, 1100)
		copy(want[1000:], filled(100, 1))
		wantBytes(t, f, 0, want)
	})
}

func TestImageThatOthersMayHaveWrittenIsNotCut(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		must(t, f.WriteAt(filled(5000, 1), 0))
		physical := r.physical(f.ID())
		must(t, r.pool.Foreign().SetLock(f.ID(), true))
		must(t, f.Fsync())
		r.wantSizes(f, physical, physical)
		r.release(f)
		if got := r.physical(f.ID()); got != physical {
			t.Errorf("the image was cut to %d bytes", got)
		}
	})
}

func TestFullPoolEndsGrowingAhead(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		must(t, f.WriteAt(filled(5000, 1), 0))
		r.pool.Fail("Flush", 1, syscall.EDQUOT)
		wantErrno(t, f.Fsync(), syscall.EDQUOT)
		r.wantSizes(f, 5000, 5000)
		for range 3 { // nothing is left of a write that was refused, and the next goes no further
			r.pool.Fail("Flush", 1, syscall.EDQUOT)
			wantErrno(t, f.WriteAt(filled(1000, 2), 5000), syscall.EDQUOT)
			r.wantSizes(f, 5000, 6000)
		}
		must(t, f.WriteAt(filled(1000, 3), 5000)) // there is room again
		r.wantSizes(f, 6000, 6000)
		must(t, f.WriteAt(filled(1000, 4), 6000))
		r.wantSizes(f, 7000, 7000+4*mib)
		wantErrno(t, f.Fsync(), syscall.EDQUOT) // of the refused writes
		r.wantSizes(f, 7000, 7000)
		wantBytes(t, f, 5000, filled(1000, 3))
	})
}

func TestWriteOfAnotherDuringTheCutIsKept(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		must(t, f.WriteAt(filled(5000, 1), 0))
		physical := r.physical(f.ID())
		release := r.pool.Block("Extents") // by which the cut looks for others' data
		end := begin(f.Fsync)
		r.pool.Await("Extents", 1)
		must(t, r.pool.Foreign().Write(f.ID(), []byte("theirs"), 9000))
		release()
		must(t, end())
		r.wantSizes(f, physical, physical)
		wantBytes(t, f, 9000, []byte("theirs"))
	})
}

func TestGrowthNearALimitIsExact(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		r.pool.Fail("Grow", 1, syscall.EINVAL)
		must(t, f.WriteAt(filled(100, 1), 0))
		r.wantSizes(f, 100, 100)
		wantBytes(t, f, 0, filled(100, 1))

		must(t, f.WriteAt([]byte{1}, math.MaxInt64-1)) // the last byte that there can be
		must(t, f.Fsync())
		r.wantSizes(f, math.MaxInt64, math.MaxInt64)
	})
}

func TestTooLargeIsEFBIG(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		wantErrno(t, f.WriteAt([]byte{1}, math.MaxInt64), syscall.EFBIG)
		wantErrno(t, f.WriteAt([]byte{1}, math.MaxUint64), syscall.EFBIG)
		r.pool.Fail("Grow", -1, syscall.EINVAL)
		r.pool.Fail("Resize", -1, syscall.EINVAL)
		wantErrno(t, f.WriteAt([]byte{1}, 0), syscall.EFBIG)
		wantErrno(t, f.Truncate(100), syscall.EFBIG)
		wantErrno(t, f.Extend(100), syscall.EFBIG)
		r.pool.Fail("Grow", 0, 0)
		r.pool.Fail("Resize", 0, 0)
		r.wantSizes(f, 0, 0)
	})
}

func TestWriteOfNothingDoesNotGrow(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		defer r.release(f)
		must(t, f.WriteAt(nil, 100))
		r.wantSizes(f, 0, 0)
	})
}

func TestZeroDoesNotGrowAFileThatWasCutMeanwhile(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		defer r.release(f)
		release := r.pool.Block("Resize")
		cut := begin(func() error { return f.Truncate(0) })
		synctest.Wait()
		zero := begin(func() error { return f.Zero(5000, 1000) }) // waits for the truncation
		synctest.Wait()
		release()
		must(t, cut())
		must(t, zero())
		must(t, f.Fsync())
		r.wantSizes(f, 0, 0)
	})
}

func TestReadBesideATruncateIsNoError(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		defer r.release(f)
		releaseRead := r.pool.Block("ReadAt")
		buf := make([]byte, 8000)
		n := 0
		read := begin(func() (err error) { n, err = f.ReadAt(buf, 0); return err })
		synctest.Wait()
		must(t, f.Truncate(100))
		releaseRead()
		must(t, read())
		if n != 100 || !bytes.Equal(buf[:n], make([]byte, n)) {
			t.Errorf("read %d bytes, want 100 zeros", n)
		}
	})
}
