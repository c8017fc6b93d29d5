package librbd

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

// dataLeft counts the objects of an image's data.
func dataLeft(t *testing.T, p *Pool, prefix string) (n int) {
	t.Helper()
	for _, name := range []string{p.cfg.Pool, p.cfg.Pool + "-ec"} {
		io, err := p.current.conn.OpenIOContext(name)
		if errnoFrom(err) == syscall.ENOENT {
			continue
		}
		must(t, err)
		must(t, io.ListObjects(func(oid string) {
			if strings.HasPrefix(oid, prefix) {
				n++
			}
		}))
		io.Destroy()
	}
	return n
}

// large makes an image that is purged object by object, with some data, and moves it to
// the trash.
func large(t *testing.T, p *Pool, name, args string) (id, prefix string) {
	t.Helper()
	id = create(t, p, name, 1, args)
	img := open(t, p, id)
	d, err := p.Describe(id)
	must(t, err)
	size := d.ObjectSize*(purgeWhole+500) + 1
	must(t, img.Resize(size))
	for i := range uint64(40) {
		must(t, img.WriteAt([]byte("data"), i*d.ObjectSize*30))
	}
	must(t, img.WriteAt([]byte("e"), size-1))
	must(t, img.Close())
	_, err = p.Remove(name, epoch)
	must(t, err)
	if n := dataLeft(t, p, d.BlockNamePrefix); n < 41 {
		t.Fatalf("%d objects", n)
	}
	return id, d.BlockNamePrefix
}

// A large image of any kind is purged without a rest, also in several goes.
func TestPurgeLarge(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			id, prefix := large(t, p, strings.ReplaceAll(l.name, " ", "-"), l.args)
			for _, stop := range []uint64{0, 20} { // of 41
				err := purgeUntil(p, id, stop)
				if strings.Contains(l.args, "journaling") {
					must(t, err) // by librbd, which does not stop
					break
				}
				wantErrno(t, err, syscall.ECANCELED)
				wantErrno(t, p.Restore(id, "again"), syscall.EBUSY)
			}
			if !strings.Contains(l.args, "journaling") {
				must(t, purgeUntil(p, id, math.MaxUint64))
			}
			if n := dataLeft(t, p, prefix); n != 0 {
				t.Errorf("%d objects are left", n)
			}
			for _, oid := range []string{headerObject(id), objectMapObject(id)} {
				if _, err := p.current.io.Stat(oid); errnoFrom(err) != syscall.ENOENT {
					t.Errorf("%s is left: %v", oid, err)
				}
			}
			if _, ok := trashed(t, p, id); ok {
				t.Error("it is still in the trash")
			}
		})
	}
}

// purgeUntil purges an image, and stops that when a number of objects is deleted.
func purgeUntil(p *Pool, id string, n uint64) error {
	progress, over := &rbdio.Progress{}, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for progress.Done.Load() < n {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Microsecond):
			}
		}
		progress.Stop.Store(1)
	})
	if n == 0 {
		watching.Wait()
	}
	err := p.Purge(id, progress)
	close(over)
	watching.Wait()
	return err
}

// A large image that is open, in this pool or elsewhere, is not touched, and neither is
// one with snapshots.
func TestPurgeLargeRefused(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	id, prefix := large(t, p, "img", "")
	n := dataLeft(t, p, prefix)
	for _, opener := range []*Pool{p, q} {
		img, err := opener.Open(id)
		must(t, err)
		wantErrno(t, p.Purge(id, &rbdio.Progress{}), syscall.EBUSY)
		must(t, img.Close())
	}
	must(t, p.CreateSnapshot(id, "s"))
	wantErrno(t, p.Purge(id, &rbdio.Progress{}), syscall.ENOTEMPTY)
	must(t, p.RemoveSnapshot(id, "s"))
	if now := dataLeft(t, p, prefix); now != n {
		t.Errorf("%d objects of %d are left", now, n)
	}
	must(t, p.Restore(id, "img"))
	buf := make([]byte, 4)
	_, err := open(t, p, id).ReadAt(buf, 0)
	must(t, err)
	if string(buf) != "data" {
		t.Errorf("it holds %q", buf)
	}
}

// A purged clone lets its parent's snapshot go, and takes nothing of it along.
func TestPurgeLargeClone(t *testing.T) {
	p := newPool(t)
	golden := create(t, p, "golden", (purgeWhole+500)*4<<20, "")
	img := open(t, p, golden)
	must(t, img.WriteAt([]byte("data"), 4<<20))
	must(t, img.Flush())
	must(t, p.CreateSnapshot(golden, "s"))
	snaps, err := p.ListSnapshots(golden)
	must(t, err)
	id, err := p.CloneSnapshot(golden, snaps[0].ID, "clone")
	must(t, err)
	clone, err := p.Open(id)
	must(t, err)
	must(t, clone.WriteAt([]byte("more"), 4<<20))
	must(t, clone.Close())
	_, err = p.Remove("clone", epoch)
	must(t, err)
	wantErrno(t, purgeUntil(p, id, 0), syscall.ECANCELED)
	must(t, p.Purge(id, &rbdio.Progress{}))
	must(t, p.RemoveSnapshot(golden, "s"))
	buf := make([]byte, 4)
	_, err = img.ReadAt(buf, 4<<20)
	must(t, err)
	if string(buf) != "data" {
		t.Errorf("the parent holds %q", buf)
	}
}

// Large images are purged by a client of their own: it goes on with a new connection
// when it is blocklisted, without the other one, and what it has open is this pool's.
func TestHousekeeper(t *testing.T) {
	p := newPool(t)
	id, _ := large(t, p, "img", "")
	e, _ := trashed(t, p, id)
	var first uint64
	must(t, p.housekeeper.do(func(s *session) error {
		first = s.instance
		if first == p.current.instance {
			t.Error("it has the connection that files are served by")
		}
		img, err := rbd.OpenImageById(s.io, id, rbd.NoSnapshot)
		must(t, err)
		defer img.Close()
		must(t, p.Expire(e)) // although it is open
		blocklist(t, p, id)
		return nil
	}))
	must(t, p.Purge(id, &rbdio.Progress{}))
	must(t, p.housekeeper.do(func(s *session) error {
		if s.instance == first {
			t.Error("it has the connection that was blocklisted")
		}
		return nil
	}))
	if p.current.fenced.Load() {
		t.Error("the other connection counts as blocklisted")
	}
	waitFor(t, "the end of an idle connection", func() bool { return !p.ours(first) && len(p.clientIDs()) == 1 })
}

// clientIDs are the pool's connections.
func (p *Pool) clientIDs() []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.clients))
}
