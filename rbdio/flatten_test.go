package rbdio_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"rbdfs/rbdio"
)

// clone makes an image with a snapshot, and a clone of it.
func (r rig) clone(name string) (id string) {
	r.t.Helper()
	golden := r.create("golden of "+name, 8000)
	must(r.t, r.pool.Foreign().Snapshot(golden, "v1"))
	snaps, err := r.pool.ListSnapshots(golden)
	must(r.t, err)
	id, err = r.files.Clone(golden, snaps[0].ID, name, rbdio.Attr{})
	must(r.t, err)
	return id
}

func (r rig) wantFlatten(id string, want rbdio.FlattenState) {
	r.t.Helper()
	got, ok := r.files.FlattenState(id)
	if !ok || got.Percent != want.Percent || got.Running != want.Running || !errors.Is(got.Err, want.Err) {
		r.t.Errorf("%+v, %v, want %+v", got, ok, want)
	}
}

func TestFlatten(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.clone("vm")
		if _, ok := r.files.FlattenState(id); ok {
			t.Error("a flattening that nobody asked for")
		}
		release := r.pool.Block("Flatten")
		must(t, r.files.Flatten(id))
		must(t, r.files.Flatten(id)) // under way already
		r.pool.Await("Flatten", 1)
		r.wantFlatten(id, rbdio.FlattenState{Running: true})
		release()
		synctest.Wait()
		r.wantFlatten(id, rbdio.FlattenState{Percent: 100})
		if n := r.pool.Calls("Flatten"); n != 1 {
			t.Errorf("flattened %d times", n)
		}
		wantErrno(t, r.files.Flatten(id), syscall.EINVAL) // no parent any more
	})
}

func TestFlattenFails(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.clone("vm")
		r.pool.Fail("Open", 1, syscall.EROFS)
		wantErrno(t, r.files.Flatten(id), syscall.EROFS)
		r.pool.Fail("Flatten", 1, syscall.ENOSPC)
		must(t, r.files.Flatten(id))
		synctest.Wait()
		r.wantFlatten(id, rbdio.FlattenState{Err: syscall.ENOSPC})
		must(t, r.files.Flatten(id))
		synctest.Wait()
		r.wantFlatten(id, rbdio.FlattenState{Percent: 100})
	})
}

func TestFlattenIsStopped(t *testing.T) {
	for name, stop := range map[string]func(r rig, id string){
		"on request": func(r rig, id string) { r.files.StopFlatten(id) },
		"by removal": func(r rig, _ string) { must(r.t, r.files.Remove("vm")) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				id := r.clone("vm")
				release := r.pool.Block("Flatten")
				must(t, r.files.Flatten(id))
				r.pool.Await("Flatten", 1)
				stop(r, id)
				release()
				synctest.Wait()
				r.wantFlatten(id, rbdio.FlattenState{Percent: 50, Err: rbdio.ErrStopped})
			})
		})
	}
}

// Closing the table, as unmounting does, ends those that run and those that wait.
func TestCloseStopsFlattening(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.clone("vm")
		files := newFiles(r.pool, rbdio.FilesOptions{})
		release := r.pool.Block("Flatten")
		must(t, files.Flatten(id))
		for i := range 7 {
			must(t, files.Flatten(r.clone(fmt.Sprint("vm", i))))
		}
		synctest.Wait()
		if n := r.pool.Calls("Flatten"); n != 4 {
			t.Errorf("%d run at once", n)
		}
		closed := make(chan error, 1)
		go func() { closed <- files.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("closed while a clone is being flattened")
		}
		release()
		must(t, <-closed)
		if state, _ := files.FlattenState(id); !errors.Is(state.Err, rbdio.ErrStopped) {
			t.Errorf("%+v", state)
		}
		if n := r.pool.Calls("Flatten"); n != 4 {
			t.Errorf("%d ran in all", n)
		}
	})
}
