package librbd

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// blocklist shuts a pool's connection out of the cluster. An image of the pool
// must be open, whose watcher gives the address.
func blocklist(t *testing.T, p *Pool, id string) {
	t.Helper()
	d, err := p.Describe(id)
	must(t, err)
	if len(d.Watchers) != 1 {
		t.Fatal(d.Watchers)
	}
	cephCommand(t, "osd", "blocklist", "add", d.Watchers[0])
	t.Cleanup(func() { _, _ = ceph.Ceph(context.Background(), "osd", "blocklist", "rm", d.Watchers[0]) })
}

// What is open when the client is blocklisted fails for good and at once; the
// pool goes on with a new connection.
func TestFenced(t *testing.T) {
	for _, l := range layouts[:8] {
		t.Run(l.name, func(t *testing.T) {
			p := newPool(t)
			id := create(t, p, "img", 8<<20, l.args)
			idle := create(t, p, "idle", 8<<20, l.args)
			img, err := p.Open(id)
			must(t, err)
			reader, err := p.OpenReadOnly(idle)
			must(t, err)
			must(t, img.WriteAt([]byte{1}, 0))
			must(t, img.Flush())
			first := p.current
			blocklist(t, p, id)
			begin := time.Now()
			// Until the OSDs hear of it, writes reach them.
			waitFor(t, "a flush is refused", func() bool {
				err = writeAndFlush(img, []byte{2}, 8192)
				return err != nil
			})
			t.Log(err, time.Since(begin))
			wantErrno(t, err, rbdio.Fenced)
			for i := range 2 {
				wantErrno(t, img.WriteAt([]byte{2}, 8192), rbdio.Fenced)
				wantErrno(t, img.WriteZeroes(0, 4096), rbdio.Fenced)
				wantErrno(t, img.Resize(1<<20), rbdio.Fenced)
				wantErrno(t, img.Flush(), rbdio.Fenced)
				for _, r := range []rbdio.ReadImage{img, reader} {
					_, err := r.ReadAt(make([]byte, 1), 0)
					wantErrno(t, err, rbdio.Fenced)
					_, err = r.Size()
					wantErrno(t, err, rbdio.Fenced)
					_, err = r.Extents(0, 100)
					wantErrno(t, err, rbdio.Fenced)
				}
				if i > 0 {
					break
				}
				again, err := p.Open(id)
				must(t, err)
				buf := []byte{9, 9}
				_, err = again.ReadAt(buf, 0)
				must(t, err)
				if buf[0] != 1 || buf[1] != 0 {
					t.Error(buf)
				}
				must(t, again.WriteAt([]byte{3}, 4096))
				must(t, again.Close())
			}
			wantErrno(t, img.Close(), rbdio.Fenced)
			must(t, reader.Close())
			if p.current == first || first.users != 0 {
				t.Errorf("the old connection has %d users", first.users)
			}
			if took := time.Since(begin); took > 40*time.Second {
				t.Errorf("all of it took %v", took)
			}
		})
	}
}

// Only one of many callers connects again, and a call that reads does not even
// notice.
func TestFencedTogether(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 8<<20, "")
	img, err := p.Open(id)
	must(t, err)
	defer img.Close()
	first := p.current
	blocklist(t, p, id)
	// Until the OSDs hear of it, the old connection works.
	waitFor(t, "a new connection", func() bool {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := p.List(); err != nil {
					t.Error(err)
				}
				if _, err := p.Stat(id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return p.current != first
	})
	if _, err := p.Create("new"); err != nil {
		t.Error(err)
	}
}

// After Close nothing works, and an image that is open keeps its connection.
func TestCloseWithImages(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 8<<20, "")
	img, err := p.Open(id)
	must(t, err)
	must(t, p.Close())
	must(t, p.Close())
	if _, err := p.List(); !errors.Is(err, syscall.ENOTCONN) {
		t.Error(err)
	}
	must(t, img.WriteAt([]byte{1}, 0))
	must(t, img.Close())
	must(t, img.Close())
	_, err = img.ReadAt(make([]byte, 1), 0)
	wantErrno(t, err, syscall.EBADF)
	wantErrno(t, img.Flush(), syscall.EBADF)
}

// A connection that the cluster has blocklisted ends once, with all that it opened of
// its pools, when the last to be closed is an image of another pool than its own.
func TestFencedWithOtherPool(t *testing.T) {
	p := newPool(t)
	q := connect(t, ceph.Pool(t))
	fill(t, q, "a", 3)
	id := create(t, p, "img", 8<<20, "")
	s := takeGroupSnap(t, p, newGroup(t, p, "g", q.cfg.Pool+"/a"), "s")
	img, err := p.Open(id)
	must(t, err)
	member, err := p.OpenMember(s.Members[0])
	must(t, err)
	first := p.current
	blocklist(t, p, id)
	waitFor(t, "a new connection", func() bool {
		_, err := p.List()
		must(t, err)
		return p.current != first
	})
	_ = img.Close()
	if first.users != 1 || len(first.pools) != 2 {
		t.Errorf("the old connection has %d users and %d pools, want 1 and 2", first.users, len(first.pools))
	}
	must(t, member.Close())
	if first.users != 0 || first.pools != nil {
		t.Errorf("the old connection has %d users and %d pools after its end", first.users, len(first.pools))
	}
}
