package rbdio_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

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

// fullHouse has as many clones flattened as may be at once, until release.
func (r rig) fullHouse() (release func()) {
	r.t.Helper()
	release = r.pool.Block("Flatten")
	for i := range 4 {
		must(r.t, r.files.Flatten(r.clone(fmt.Sprint("busy", i))))
	}
	r.pool.Await("Flatten", 4)
	r.wantOpen(0, 4)
	return release
}

// One that waits for its turn ends when it is told to, and lets the clone go.
func TestWaitingFlattenIsStopped(t *testing.T) {
	for name, stop := range map[string]func(r rig, id string){
		"on request": func(r rig, id string) { r.files.StopFlatten(id) },
		"by removal": func(r rig, _ string) { must(r.t, r.files.Remove("vm")) },
		"by what takes its name": func(r rig, _ string) {
			r.create("other", 8000)
			must(r.t, r.files.Rename("other", "vm", false))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{TrashKeep: time.Hour}, func(r rig) {
				release := r.fullHouse()
				id := r.clone("vm")
				must(t, r.files.Flatten(id))
				r.wantFlatten(id, rbdio.FlattenState{Running: true})
				stop(r, id)
				r.wantOpen(0, 4)
				r.wantFlatten(id, rbdio.FlattenState{Err: rbdio.ErrStopped})
				release()
				synctest.Wait()
				if n := r.pool.Calls("Flatten"); n != 4 {
					t.Errorf("%d were flattened", n)
				}
			})
		})
	}
}

// What is begun after a stop is done, also while librbd has not stopped yet.
func TestFlattenAgainAfterAStop(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		id := r.clone("vm")
		release := r.pool.Block("Flatten")
		must(t, r.files.Flatten(id))
		r.pool.Await("Flatten", 1)
		for range 3 {
			r.files.StopFlatten(id)
			must(t, r.files.Flatten(id))
			synctest.Wait()
		}
		if n := r.pool.Calls("Flatten"); n != 1 {
			t.Errorf("%d at once", n)
		}
		r.wantFlatten(id, rbdio.FlattenState{Running: true})
		release()
		synctest.Wait()
		r.wantFlatten(id, rbdio.FlattenState{Percent: 100})
		if n := r.pool.Calls("Flatten"); n != 2 {
			t.Errorf("flattened %d times", n)
		}
	})
}

// A mount that runs for long remembers the last results alone.
func TestFlattenResultsAreBounded(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		const n, kept = 1003, 1000
		var ids []string
		for i := range n {
			ids = append(ids, r.clone(fmt.Sprint("vm", i)))
			must(t, r.files.Flatten(ids[i]))
			time.Sleep(time.Second)
		}
		for i, id := range ids {
			if _, ok := r.files.FlattenState(id); ok != (i >= n-kept) {
				t.Fatalf("of clone %d of %d a result is known: %v", i, n, ok)
			}
		}
	})
}
