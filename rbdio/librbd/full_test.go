package librbd

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
)

// In a pool past its quota in which nothing was removed before, removing, renaming,
// bringing back and purging all work: nothing else makes room.
func TestRemoveInFullPool(t *testing.T) {
	for _, quota := range []string{"max_bytes", "max_objects"} {
		for _, l := range []int{0, 4, 7} {
			t.Run(quota+" "+layouts[l].name, func(t *testing.T) {
				p := newPool(t)
				ids := map[string]string{}
				for _, name := range []string{"a", "b", "c"} {
					ids[name] = create(t, p, name, 8<<20, layouts[l].args)
					img := open(t, p, ids[name])
					must(t, img.WriteAt(bytes.Repeat([]byte(name), 5<<20), 0))
					must(t, img.Close())
				}
				snap := takeSnap(t, p, ids["c"], "s")
				fillPool(t, p, quota)
				freeFullPool(t, p, ids, layouts[l].name == "journaling")
				must(t, p.RemoveSnapshot(ids["c"], snap.Name))
			})
		}
	}
}

// freeFullPool removes, renames, brings back and purges. An image whose changes go into
// a journal may be refused a new name.
func freeFullPool(t *testing.T, p *Pool, ids map[string]string, journaled bool) {
	t.Helper()
	id, err := p.Remove("a", epoch)
	must(t, err)
	if _, err := p.Lookup("a"); !errors.Is(err, syscall.ENOENT) || id != ids["a"] {
		t.Errorf("removed %s, and its name: %v", id, err)
	}
	err = p.Rename("b", "b2")
	if err != nil && (!journaled || !isFull(rbdioErrno(err))) {
		t.Fatal(err)
	}
	if err == nil {
		wantNames(t, p, "b2", "c")
		wantErrno(t, p.Rename("b2", "c"), syscall.EEXIST)
		must(t, p.Rename("b2", "b"))
	}
	must(t, p.Restore(id, "back"))
	wantNames(t, p, "b", "back", "c")
	wantErrno(t, p.Restore(id, "c"), syscall.ENOENT)
	_, err = p.Remove("back", time.Now().Add(time.Hour))
	must(t, err)
	e, ok := trashed(t, p, id)
	if !ok {
		t.Fatal("the trash does not have it")
	}
	wantErrno(t, p.Restore(id, "c"), syscall.EEXIST)
	must(t, p.Expire(e))
	must(t, p.Purge(id, &rbdio.Progress{}))
	wantNames(t, p, "b", "c")
	if out := rbdCommand(t, "info", p.cfg.Pool+"/b"); !strings.Contains(out, ids["b"]) {
		t.Error(out)
	}
}

// rbdioErrno is the errno of an error.
func rbdioErrno(err error) (errno syscall.Errno) {
	errors.As(err, &errno)
	return errno
}

// wantNames fails the test unless these are the pool's images.
func wantNames(t *testing.T, p *Pool, want ...string) {
	t.Helper()
	list, err := p.List()
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
		if id, err := p.Lookup(e.Name); err != nil || id != e.ID {
			t.Errorf("%s has the id %s, %v, want %s", e.Name, id, err, e.ID)
		}
	}
	if got := strings.Join(names, " "); got != strings.Join(want, " ") {
		t.Errorf("there are %q, want %q", got, want)
	}
}

// ENOENT about an image that is there is told as what it is, and one that is not there
// has it.
func TestRemoveUnbelievable(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	must(t, p.once(func(s *session) error {
		wantErrno(t, s.unbelievable("remove", "img"), syscall.EIO)
		wantErrno(t, s.moveToTrash("none", id, 0), syscall.ENOENT)
		return nil
	}))
	_, err := p.Remove("img", epoch)
	must(t, err)
}
