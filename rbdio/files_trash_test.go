package rbdio_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// removed lists the trash as a user sees it.
func (r rig) removed() []rbdio.TrashEntry {
	r.t.Helper()
	list, err := r.files.Removed(true)
	must(r.t, err)
	return list
}

// wantRemoved compares the names in the trash, as a user sees them.
func (r rig) wantRemoved(want ...string) {
	r.t.Helper()
	var got []string
	for _, e := range r.removed() {
		got = append(got, e.Name)
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("the trash shows %q, want %q", got, want)
	}
}

// removeElsewhere moves an image to the trash by another tool.
func (r rig) removeElsewhere(name string) rbdio.TrashEntry {
	r.t.Helper()
	_, err := r.pool.Foreign().Remove(name, time.Now().Add(24*time.Hour))
	must(r.t, err)
	list, err := r.pool.ListTrash()
	must(r.t, err)
	return list[len(list)-1]
}

func TestRemovedIsAskedForOnceAndShowsChangesAtOnce(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{TrashKeep: time.Hour}, func(r rig) {
		r.create("vm1", 100)
		r.wantRemoved()
		must(t, r.files.Remove("vm1"))
		r.wantRemoved("vm1")
		synctest.Wait()
		calls := r.pool.Calls("ListTrash")
		r.wantRemoved("vm1")
		if now := r.pool.Calls("ListTrash"); now != calls {
			t.Errorf("listed %d times more", now-calls)
		}
		r.create("vm2", 100)
		r.removeElsewhere("vm2")
		time.Sleep(900 * time.Millisecond)
		r.wantRemoved("vm1", "vm2")
		must(t, r.files.Restore(r.removed()[0].ID, "vm3"))
		r.wantRemoved("vm2")
		r.wantNames("vm3")
	})
}

// A list that was begun before a change is not kept after it.
func TestRemovedForgetsWhatIsUnderWay(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{TrashKeep: time.Hour, ReadOnly: true}, func(r rig) {
		r.create("vm1", 100)
		release := r.pool.Block("ListTrash")
		listed := begin(func() error { _, err := r.files.Removed(true); return err })
		synctest.Wait()
		must(t, r.files.Remove("vm1"))
		release()
		must(t, listed())
		r.wantRemoved("vm1")
	})
}

func TestRefusedRestoreKeepsTheWatcherOfAnOpenImage(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 100), false)
		must(t, r.files.Remove("vm1"))
		r.create("vm1", 200)
		wantErrno(t, r.files.Restore(f.ID(), "vm1"), syscall.EEXIST)
		r.wantOpen(0, 1)
		must(t, r.files.Restore(f.ID(), "vm2"))
		r.wantOpen(1, 0)
		wantErrno(t, r.files.Restore(f.ID(), "vm3"), syscall.ENOENT)
		r.release(f)
		time.Sleep(time.Hour)
		r.wantNames("vm1", "vm2")
		r.wantTrash()
	})
}

// An image that was replaced, restored and removed again is kept as any other.
func TestRestoredImageIsKeptAsAnyOther(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("a", 100)
		f := r.open(r.create("b", 200), false)
		must(t, r.files.Rename("a", "b", false)) // expires at once
		must(t, r.files.Restore(f.ID(), "c"))
		r.release(f)
		_, err := r.pool.Remove("c", time.Now().Add(24*time.Hour)) // by another mount
		must(t, err)
		time.Sleep(time.Hour)
		r.wantTrash("c")
		time.Sleep(24 * time.Hour)
		r.wantTrash()
	})
}

func TestPurgeOfAnImageThatIsOpenHereWaitsForItsLastClose(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 100)
		e := r.removeElsewhere("vm1")
		f := r.open(id, false)
		must(t, r.files.Purge(e))
		r.wantRemoved()
		r.wantOpen(0, 1) // a watcher keeps other mounts from purging it
		time.Sleep(time.Hour)
		wantBytes(t, f, 0, make([]byte, 100))
		r.wantTrash("vm1")
		r.wantRemoved()
		r.release(f)
		synctest.Wait()
		r.wantTrash()
	})
}

func TestReaderOfARemovedImageOutlivesTheKeepTime(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{TrashKeep: time.Hour}, func(r rig) {
		id := r.create("vm1", 100)
		must(t, r.files.Remove("vm1"))
		f := r.open(id, false)
		time.Sleep(24 * time.Hour)
		wantBytes(t, f, 0, make([]byte, 100))
		r.wantRemoved("vm1")
		r.release(f)
		time.Sleep(time.Minute)
		r.wantTrash()
	})
}

// A purge that was asked for and cut off is finished by the next mount.
func TestPurgeIsRememberedInThePool(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) { // its purger does nothing
		r.create("vm1", 100)
		r.create("vm2", 100)
		must(t, r.files.Purge(r.removeElsewhere("vm1")))
		r.removeElsewhere("vm2")
		files := newFiles(r.pool, rbdio.FilesOptions{})
		synctest.Wait()
		r.wantTrash("vm2")
		must(t, r.files.Purge(r.removed()[0]))
		time.Sleep(time.Minute) // another mount goes on with it, too
		r.wantTrash()
		must(t, files.Close())
	})
}

func TestRefusedPurgeChangesNothing(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 100)
		e := r.removeElsewhere("vm1")
		must(t, r.pool.Foreign().SetSnapshots(id, 1))
		wantErrno(t, r.files.Purge(e), syscall.ENOTEMPTY)
		r.wantRemoved("vm1")
		must(t, r.pool.Foreign().SetSnapshots(id, 0))
		r.pool.Fail("Expire", 1, syscall.EPERM)
		wantErrno(t, r.files.Purge(e), syscall.EPERM)
		r.wantRemoved("vm1")
		time.Sleep(time.Hour)
		r.wantTrash("vm1")
		must(t, r.files.Restore(id, "vm1"))
		wantErrno(t, r.files.Purge(e), syscall.ENOENT)
		r.wantNames("vm1")
	})
}

// What cannot be purged after all shows again, and is tried again.
func TestFailedPurgeShowsAgain(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("vm1", 100)
		e := r.removeElsewhere("vm1")
		synctest.Wait() // for the purger's first round
		r.pool.Fail("Purge", 1, syscall.EIO)
		must(t, r.files.Purge(e))
		synctest.Wait()
		r.wantRemoved("vm1")
		r.pool.Fail("Claim", 1, syscall.EIO)
		time.Sleep(time.Hour)
		r.wantRemoved()
		r.wantTrash()
	})
}

// A list that is under way when a purge ends does not show what is gone.
func TestPurgedImageDoesNotShowInAListUnderWay(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		pool := &slowList{Pool: r.pool, listed: func() {}}
		files := newFiles(pool, rbdio.FilesOptions{})
		r.create("vm1", 100)
		e := r.removeElsewhere("vm1")
		synctest.Wait() // for the purger's first round
		release := r.pool.Block("Purge")
		must(t, files.Purge(e))
		synctest.Wait()
		pool.listed = func() {
			release()
			synctest.Wait() // until the purger is done
			r.wantTrash()
		}
		if list, err := files.Removed(false); err != nil || len(list) > 0 {
			t.Errorf("the trash shows %v, %v", list, err)
		}
		pool.listed = func() {}
		must(t, files.Close())
	})
}

// slowList is a pool in which something happens when the trash was listed.
type slowList struct {
	*memrbd.Pool
	listed func()
}

func (p *slowList) ListTrash() ([]rbdio.TrashEntry, error) {
	list, err := p.Pool.ListTrash()
	p.listed()
	return list, err
}

func TestImageCannotBeOpenedWhileItIsPurged(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("vm1", 100)
		release := r.pool.Block("Purge")
		must(t, r.files.Remove("vm1"))
		synctest.Wait()
		r.wantTrash("vm1")
		r.wantRemoved()
		_, err := r.files.Open(id, false)
		wantErrno(t, err, syscall.ENOENT)
		release()
		synctest.Wait()
		r.wantTrash()
	})
}

func TestRemovedFails(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		r.pool.Fail("ListTrash", 1, syscall.EPERM)
		if _, err := r.files.Removed(true); !errors.Is(err, syscall.EPERM) {
			t.Errorf("error is %v", err)
		}
		r.wantRemoved()
	})
}
