package librbd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// epoch is long ago: a removal that expires then may be purged at once.
var epoch = time.Unix(0, 0)

// trashed finds an image in the trash.
func trashed(t *testing.T, p *Pool, id string) (rbdio.TrashEntry, bool) {
	t.Helper()
	list, err := p.ListTrash()
	must(t, err)
	for _, e := range list {
		if e.ID == id {
			return e, true
		}
	}
	return rbdio.TrashEntry{}, false
}

func wantClaim(t *testing.T, p *Pool, e rbdio.TrashEntry, want rbdio.Claim) {
	t.Helper()
	if claim, err := p.Claim(e); err != nil || claim != want {
		t.Errorf("the claim on %+v is %d, %v, want %d", e, claim, err, want)
	}
}

// Removing an image that this client has open leaves what is open as it was, on
// every kind of image.
func TestRemoveOpen(t *testing.T) {
	t.Parallel()
	pool := ceph.Pool(t)
	ecPool(t, pool)
	p := connect(t, pool)
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			name := strings.ReplaceAll(l.name, " ", "-")
			const size = 9<<20 + 1
			id := create(t, p, name, size, l.args)
			img, err := p.Open(id)
			must(t, err)
			data := bytes.Repeat([]byte{7}, size)
			must(t, img.WriteAt(data, 0))
			expires := time.Now().Add(time.Hour)
			begin := time.Now()
			got, err := p.Remove(name, expires)
			must(t, err)
			took := time.Since(begin)
			t.Log("removing took", took)
			if got != id {
				t.Errorf("removed %q, want %q", got, id)
			}
			_, err = p.Lookup(name)
			wantErrno(t, err, syscall.ENOENT)
			e, ok := trashed(t, p, id)
			if !ok || e.Name != name || e.Removed.Before(begin.Add(-2*time.Second)) ||
				e.Expires.Before(expires.Add(-3*time.Second)) || e.Expires.After(expires.Add(took+3*time.Second)) {
				t.Errorf("%+v, %v", e, ok)
			}
			wantClaim(t, p, e, rbdio.ClaimOurs)
			compare(t, img, data)
			must(t, img.WriteAt([]byte{8}, 5))
			data[5] = 8
			must(t, img.Flush())
			must(t, img.Resize(size+5))
			compare(t, img, append(bytes.Clone(data), make([]byte, 5)...))
			wantErrno(t, p.Purge(id, &rbdio.Progress{}), syscall.EBUSY)
			if info, err := p.Stat(id); err != nil || info.Size != size+5 {
				t.Errorf("%+v, %v", info, err)
			}
			// The name is free.
			other, err := p.Create(name)
			must(t, err)
			wantErrno(t, p.Restore(id, name), syscall.EEXIST)
			must(t, img.Close())
			must(t, p.Purge(id, &rbdio.Progress{}))
			wantErrno(t, p.Purge(id, &rbdio.Progress{}), syscall.ENOENT)
			_, err = p.Stat(id)
			wantErrno(t, err, syscall.ENOENT)
			if _, ok := trashed(t, p, id); ok {
				t.Error("it is still in the trash")
			}
			if now, err := p.Lookup(name); err != nil || now != other {
				t.Errorf("%q, %v; want %q", now, err, other)
			}
		})
	}
}

// refused removes an image, which must fail and leave it as it was.
func refused(t *testing.T, p *Pool, name, id string, want syscall.Errno, why string) {
	t.Helper()
	_, err := p.Remove(name, epoch)
	t.Log(err)
	wantErrno(t, err, want)
	var e *rbdio.Error
	if !errors.As(err, &e) || !strings.Contains(e.Why, why) {
		t.Errorf("the reason is %q", e.Why)
	}
	if now, err := p.Lookup(name); err != nil || now != id {
		t.Errorf("%q, %v", now, err)
	}
	if _, ok := trashed(t, p, id); ok {
		t.Error("it is in the trash")
	}
	if _, errno := readStep(p.current.io, headerObject(id), "metadata_get", new(encoder).str(keyRemoved).b); errno != syscall.ENOENT {
		t.Errorf("the mark: %v", errno)
	}
}

// What must not be removed stays as it was, without a mark.
func TestRemoveRefused(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	spec := p.cfg.Pool + "/img"
	id := create(t, p, "img", 1<<20, "")
	_, err := p.Remove("none", epoch)
	wantErrno(t, err, syscall.ENOENT)

	rbdCommand(t, "snap", "create", spec+"@s", "--no-progress")
	refused(t, p, "img", id, syscall.ENOTEMPTY, `snapshots: "s"`)
	rbdCommand(t, "snap", "rm", spec+"@s", "--no-progress")

	img, err := q.Open(id)
	must(t, err)
	refused(t, p, "img", id, syscall.EBUSY, "127.0.0.1")
	must(t, img.Close())

	rbdCommand(t, "group", "create", p.cfg.Pool+"/group")
	rbdCommand(t, "group", "image", "add", p.cfg.Pool+"/group", spec)
	refused(t, p, "img", id, syscall.EBUSY, "group")
	rbdCommand(t, "group", "image", "rm", p.cfg.Pool+"/group", spec)

	r := connect(t, p.cfg.Pool, func(c *Config) { c.Name = "client.rbdro" })
	_, err = r.Remove("img", epoch)
	wantErrno(t, err, syscall.EPERM)
	_, err = p.Remove("img", epoch)
	must(t, err)
	must(t, p.Purge(id, &rbdio.Progress{}))
}

// Only what rbdfs removed is ours, and no more once somebody has taken it back.
func TestTrashOwners(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	theirs := create(t, p, "theirs", 1<<20, "")
	rbdCommand(t, "trash", "mv", p.cfg.Pool+"/theirs", "--expires-at", "now +2 hours")
	e, ok := trashed(t, p, theirs)
	if !ok || e.Name != "theirs" || time.Until(e.Expires) < time.Hour {
		t.Errorf("%+v, %v", e, ok)
	}
	wantClaim(t, p, e, rbdio.ClaimNone)
	_, err := p.Remove("img", epoch)
	must(t, err)
	if e, ok = trashed(t, p, id); !ok || e.Expires.After(time.Now()) {
		t.Errorf("%+v, %v", e, ok)
	}
	wantClaim(t, p, e, rbdio.ClaimOurs)
	before := e
	rbdCommand(t, "trash", "restore", p.cfg.Pool+"/"+id)
	if _, ok = trashed(t, p, id); ok {
		t.Error("it is still in the trash")
	}
	waitFor(t, "another second", func() bool { return time.Now().Unix() > before.Removed.Unix() })
	rbdCommand(t, "trash", "mv", p.cfg.Pool+"/img")
	if e, ok = trashed(t, p, id); !ok {
		t.Error("it is not in the trash")
	}
	wantClaim(t, p, e, rbdio.ClaimNone) // an administrator has removed it
	_, err = p.Claim(before)
	wantErrno(t, err, syscall.ENOENT)
	wantErrno(t, p.Expire(before), syscall.ENOENT)
	must(t, p.Restore(id, "new name"))
	if now, err := p.Lookup("new name"); err != nil || now != id {
		t.Errorf("%q, %v", now, err)
	}
	if m := rbdCommand(t, "image-meta", "ls", p.cfg.Pool+"/new name"); strings.Contains(m, keyRemoved) {
		t.Error(m)
	}
	wantErrno(t, p.Restore(id, "x"), syscall.ENOENT)
	must(t, p.Purge(theirs, &rbdio.Progress{}))
	for _, name := range []string{"a@b", "", "a/b"} {
		wantErrno(t, p.Restore(theirs, name), syscall.EINVAL)
	}
}

// A trash of many is listed in whole.
func TestTrashList(t *testing.T) {
	p := newPool(t)
	var want, got []string
	for i := range 70 {
		name := fmt.Sprintf("img%02d", i)
		id, err := p.Create(name)
		must(t, err)
		_, err = p.Remove(name, epoch)
		must(t, err)
		want = append(want, id)
	}
	list, err := p.ListTrash()
	must(t, err)
	for _, e := range list {
		wantClaim(t, p, e, rbdio.ClaimOurs)
		got = append(got, e.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
}

// What another tool removed is purged when a user asks for it, unless something
// keeps it.
func TestExpire(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	spec := p.cfg.Pool + "/img"
	id := create(t, p, "img", 1<<20, "")
	rbdCommand(t, "snap", "create", spec+"@s", "--no-progress")
	rbdCommand(t, "trash", "mv", spec, "--expires-at", "now +2 hours")
	e, _ := trashed(t, p, id)
	wantErrno(t, p.Expire(e), syscall.ENOTEMPTY)
	wantClaim(t, p, e, rbdio.ClaimNone)
	must(t, p.RemoveSnapshot(id, "s"))
	img, err := q.Open(id)
	must(t, err)
	wantErrno(t, p.Expire(e), syscall.EBUSY)
	must(t, img.Close())
	r := connect(t, p.cfg.Pool, func(c *Config) { c.Name = "client.rbdro" })
	wantErrno(t, r.Expire(e), syscall.EPERM)
	wantClaim(t, p, e, rbdio.ClaimNone)
	must(t, p.Expire(e))
	wantClaim(t, q, e, rbdio.ClaimNow)
	must(t, p.Restore(id, "img"))
	_, err = p.Claim(e)
	wantErrno(t, err, syscall.ENOENT)
	_, err = p.Remove("img", epoch)
	must(t, err)
	e, _ = trashed(t, p, id)
	wantClaim(t, p, e, rbdio.ClaimOurs)
	must(t, p.Purge(id, &rbdio.Progress{}))
}

// What an interrupted purge has left without a header can be purged, by its time
// or at once.
func TestPurgeOfWhatIsLeft(t *testing.T) {
	p := newPool(t)
	for i := range 2 {
		name := fmt.Sprint("img", i)
		id := create(t, p, name, 1<<20, "")
		rbdCommand(t, "trash", "mv", p.cfg.Pool+"/"+name)
		must(t, p.current.io.Delete(headerObject(id)))
		e, _ := trashed(t, p, id)
		wantClaim(t, p, e, rbdio.ClaimOurs)
		if i == 0 {
			must(t, p.Purge(id, &rbdio.Progress{}))
		} else {
			must(t, p.Expire(e))
		}
		if _, ok := trashed(t, p, id); ok {
			t.Error("it is still in the trash")
		}
	}
}
