package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// failSecond is a pool whose second Rename from now on fails.
type failSecond struct {
	*memrbd.Pool
	calls int
	then  func() // called before it fails
}

func (p *failSecond) Rename(name, newName string) error {
	p.calls++
	if p.calls == 2 {
		p.then()
		p.Pool.Fail("Rename", 1, syscall.EIO)
	}
	return p.Pool.Rename(name, newName)
}

func TestRename(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("a", 100)
		must(t, r.files.Rename("a", "b", false))
		must(t, r.files.Rename("b", "c", true))
		must(t, r.files.Rename("c", "c", false))
		r.wantNames("c")
		if got, err := r.pool.Lookup("c"); err != nil || got != id {
			t.Errorf("c is image %s, %v, want %s", got, err, id)
		}
		wantErrno(t, r.files.Rename("a", "b", false), syscall.ENOENT)
		wantErrno(t, r.files.Rename("a", "a", false), syscall.ENOENT)
		r.wantTrash()
	})
}

func TestRenameOverAnImage(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.create("a", 100)
		old := r.open(r.create("b", 200), false)
		wantErrno(t, r.files.Rename("a", "b", true), syscall.EEXIST)
		r.wantNames("a", "b")
		must(t, r.files.Rename("a", "b", false))
		r.wantNames("b")
		if got, err := r.pool.Lookup("b"); err != nil || got != id {
			t.Errorf("b is image %s, %v, want %s", got, err, id)
		}
		wantBytes(t, old, 0, make([]byte, 200)) // goes on until its last close
		time.Sleep(time.Hour)
		r.wantTrash("b")
		r.release(old)
		time.Sleep(time.Hour)
		r.wantTrash()
	})
}

func TestRenameOverARefusedRemove(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("a", 100)
		must(t, r.pool.Foreign().SetSnapshots(r.create("b", 200), 1))
		wantErrno(t, r.files.Rename("a", "b", false), syscall.ENOTEMPTY)
		r.wantNames("a", "b")
		r.wantTrash()
	})
}

// Whatever happens between the two steps, and however long it takes, the image
// that was to be replaced comes back.
func TestRenameThatFailsLateRestores(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		pool := &failSecond{Pool: r.pool, then: func() { time.Sleep(45 * time.Second) }}
		files := newFiles(pool, rbdio.FilesOptions{})
		r.create("a", 100)
		id := r.create("b", 200)
		f, err := files.Open(id, false)
		must(t, err)
		wantErrno(t, files.Rename("a", "b", false), syscall.EIO)
		r.wantNames("a", "b")
		r.wantTrash()
		r.wantOpen(1, 0)
		wantBytes(t, f, 0, make([]byte, 200))
		must(t, f.Release())
		time.Sleep(time.Hour)
		if got, err := r.pool.Lookup("b"); err != nil || got != id {
			t.Errorf("b is image %s, %v, want %s", got, err, id)
		}
		must(t, files.Close())
	})
}

func TestRenameThatFailsLateRestoresWhatIsNotOpen(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		pool := &failSecond{Pool: r.pool, then: func() { time.Sleep(45 * time.Second) }}
		files := newFiles(pool, rbdio.FilesOptions{})
		r.create("a", 100)
		r.create("b", 200)
		wantErrno(t, files.Rename("a", "b", false), syscall.EIO)
		r.wantNames("a", "b")
		r.wantTrash()
		must(t, files.Close())
	})
}

// openMeanwhile is a pool in which an image is opened as it is being removed.
type openMeanwhile struct {
	*memrbd.Pool
	open func(name string)
}

func (p *openMeanwhile) Remove(name string, expires time.Time) (string, error) {
	p.open(name)
	return p.Pool.Remove(name, expires)
}

func TestImageOpenedAsItIsRemovedIsHeldToo(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{ReadOnly: true}, func(r rig) {
		pool := &openMeanwhile{Pool: r.pool}
		files := newFiles(pool, rbdio.FilesOptions{})
		id := r.create("vm1", 8000)
		pool.open = func(string) {
			_, err := files.Open(id, false)
			must(t, err)
		}
		must(t, files.Remove("vm1"))
		r.wantOpen(0, 1) // a watcher keeps other mounts from purging it
		time.Sleep(time.Hour)
		r.wantTrash("vm1")
		must(t, files.Close())
	})
}

func TestReplacedImageIsPurgedAtOnceAfterTheRename(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("a", 100)
		r.create("b", 200)
		must(t, r.files.Rename("a", "b", false))
		synctest.Wait()
		r.wantTrash()
	})
}

// A mount that is killed between the two steps leaves what this one does, whose
// second step fails like the restoring after it.
func TestCutOffRenameLeavesADayToBringTheTargetBack(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		r.create("a", 100)
		r.create("b", 200)
		pool := &failSecond{Pool: r.pool, then: func() { r.pool.Fail("Restore", 1, syscall.EIO) }}
		files := newFiles(pool, rbdio.FilesOptions{})
		wantErrno(t, files.Rename("a", "b", false), syscall.EIO)
		must(t, files.Close())
		time.Sleep(23 * time.Hour)
		r.wantNames("a")
		r.wantTrash("b")
		time.Sleep(2 * time.Hour)
		r.wantTrash()
	})
}
