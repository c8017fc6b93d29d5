package rbdio_test

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
)

// names returns the pool's images.
func (r rig) names() []string {
	r.t.Helper()
	entries, err := r.pool.List()
	must(r.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// trash returns the names of the removed images.
func (r rig) trash() []string {
	r.t.Helper()
	entries, err := r.pool.ListTrash()
	must(r.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func (r rig) wantNames(want ...string) {
	r.t.Helper()
	if got := r.names(); !slices.Equal(got, want) {
		r.t.Fatalf("the pool has %q, want %q", got, want)
	}
}

func (r rig) wantTrash(want ...string) {
	r.t.Helper()
	if got := r.trash(); !slices.Equal(got, want) {
		r.t.Fatalf("the trash has %q, want %q", got, want)
	}
}

func TestRemovedWhileOpenGoesOnUntilTheLastClose(t *testing.T) {
	for _, write := range []bool{false, true} {
		inBubble(t, rbdio.FilesOptions{}, func(r rig) {
			f := r.open(r.create("vm1", 8000), write)
			reader := r.open(f.ID(), false)
			must(r.t, r.files.Remove("vm1"))
			r.wantNames()
			r.wantOpen(0, 1) // a watcher keeps other mounts from purging it
			time.Sleep(time.Hour)
			r.wantTrash("vm1")
			wantBytes(r.t, f, 0, make([]byte, 8000))
			if write {
				must(r.t, f.WriteAt([]byte("on"), 9000))
				must(r.t, f.Fsync())
				wantBytes(r.t, f, 9000, []byte("on"))
			}
			info, err := f.Stat()
			must(r.t, err)
			if info.Size != f.Size() {
				r.t.Errorf("stat shows %d bytes of %d", info.Size, f.Size())
			}
			r.release(f)
			r.wantOpen(0, 1)
			r.release(reader)
			r.wantOpen(0, 0)
			r.wantTrash() // purged without waiting for the next round
		})
	}
}

func TestRemovedImageIsPurgedAfterTheKeepTime(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{TrashKeep: 24 * time.Hour}, func(r rig) {
		r.create("vm1", 8000)
		must(t, r.files.Remove("vm1"))
		time.Sleep(24*time.Hour - time.Second)
		r.wantTrash("vm1")
		time.Sleep(time.Minute)
		r.wantTrash()
	})
}

func TestPurgerLeavesWhatIsNotItsOwn(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("theirs", 8000)
		_, err := r.pool.Foreign().Remove("theirs", time.Now())
		must(t, err)
		r.create("ours", 8000)
		must(t, r.files.Remove("ours"))
		time.Sleep(time.Hour)
		r.wantTrash("theirs")
	})
}

func TestPurgerTriesAgain(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		r.pool.Fail("ListTrash", 2, syscall.ETIMEDOUT)
		r.pool.Fail("Purge", 2, syscall.EBUSY)
		must(t, r.files.Remove("vm1"))
		time.Sleep(time.Hour)
		if _, err := r.pool.Stat(id); err == nil {
			t.Error("the image is still there")
		}
		if calls := r.pool.Calls("Purge"); calls != 3 {
			t.Errorf("%d purges, want 3", calls)
		}
	})
}

// A mount that ends stops the purge under way, and begins no other; the next one goes on.
func TestPurgeGoesOnInANewMount(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		files := newFiles(r.pool, rbdio.FilesOptions{TrashKeep: time.Second})
		for _, name := range []string{"vm1", "vm2", "vm3"} {
			r.create(name, 8000)
			must(t, files.Remove(name))
		}
		release := r.pool.Block("Purge")
		time.Sleep(time.Minute)
		closed := begin(files.Close)
		synctest.Wait()
		release()
		must(t, closed())
		time.Sleep(time.Hour) // a read-only mount purges nothing
		r.wantTrash("vm1", "vm2", "vm3")
		files = newFiles(r.pool, rbdio.FilesOptions{})
		time.Sleep(time.Second)
		r.wantTrash()
		must(t, files.Close())
	})
}

func TestRefusedRemoveChangesNothing(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 8000)
		f := r.open(id, false)
		must(t, r.pool.Foreign().SetSnapshots(id, 1))
		wantErrno(t, r.files.Remove("vm1"), syscall.ENOTEMPTY)
		r.wantNames("vm1")
		r.wantTrash()
		r.wantOpen(1, 0)
		must(t, r.pool.Foreign().SetSnapshots(id, 0))

		unwatch, err := r.pool.Foreign().Watch(id)
		must(t, err)
		wantErrno(t, r.files.Remove("vm1"), syscall.EBUSY)
		r.wantOpen(1, 0)
		wantBytes(t, f, 0, make([]byte, 8000))
		r.release(f)
		wantErrno(t, r.files.Remove("vm1"), syscall.EBUSY)
		r.wantNames("vm1")
		unwatch()
		wantErrno(t, r.files.Remove("vm2"), syscall.ENOENT)
		must(t, r.files.Remove("vm1"))
	})
}

func TestRefusedRemoveKeepsAWriter(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 0), true)
		must(t, f.WriteAt([]byte("kept"), 0))
		r.pool.Fail("Remove", 1, syscall.ENOTEMPTY)
		wantErrno(t, r.files.Remove("vm1"), syscall.ENOTEMPTY)
		r.wantOpen(0, 1)
		must(t, f.WriteAt([]byte("more"), 4))
		r.release(f)
		wantDurable(t, r.pool, f.ID(), 0, "keptmore")
	})
}

func TestOpenImageThatCannotBeHeldIsNotRemoved(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), false)
		r.pool.Fail("Open", 1, syscall.EACCES)
		wantErrno(t, r.files.Remove("vm1"), syscall.EACCES)
		r.wantNames("vm1")
		wantBytes(t, f, 0, make([]byte, 8000))
		r.release(f)
	})
}

func TestCreateKeepsAttributes(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		mode, uid := uint32(0o640), uint32(7)
		id, err := r.files.Create("vm1", rbdio.Attr{Mode: &mode, UID: &uid})
		must(t, err)
		info, err := r.pool.Stat(id)
		must(t, err)
		if a := info.Attr; info.Size != 0 || a.Mode == nil || *a.Mode != mode || a.UID == nil || *a.UID != uid || a.GID != nil {
			t.Errorf("the header is %+v", info)
		}
		_, err = r.files.Create("vm1", rbdio.Attr{})
		wantErrno(t, err, syscall.EEXIST)
	})
}

// An image that does not get its owner and mode would be another's: it goes.
func TestImageWithoutItsAttributesGoes(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		golden := r.create("golden", 8000)
		must(t, r.pool.CreateSnapshot(golden, "v1"))
		snaps, err := r.pool.ListSnapshots(golden)
		must(t, err)
		r.pool.Fail("SetAttr", 2, syscall.EIO)
		_, err = r.files.Clone(golden, snaps[0].ID, "vm", rbdio.Attr{})
		wantErrno(t, err, syscall.EIO)
		_, err = r.files.Create("vm", rbdio.Attr{})
		wantErrno(t, err, syscall.EIO)
		r.wantNames("golden")
	})
}
