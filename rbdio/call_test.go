package rbdio_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
)

// A call that waits for another one when it is given up changes nothing.
func TestCallGivenUpBeforeItBegins(t *testing.T) {
	for name, change := range map[string]func(c rbdio.Changes, f *rbdio.Handle, call *rbdio.Call) error{
		"write":    func(_ rbdio.Changes, f *rbdio.Handle, call *rbdio.Call) error { return f.WriteFor(call, []byte{2}, 0) },
		"zero":     func(c rbdio.Changes, _ *rbdio.Handle, _ *rbdio.Call) error { return c.Zero(0, 100) },
		"extend":   func(c rbdio.Changes, _ *rbdio.Handle, _ *rbdio.Call) error { return c.Extend(9000) },
		"truncate": func(c rbdio.Changes, _ *rbdio.Handle, _ *rbdio.Call) error { return c.Truncate(10) },
		"copy": func(c rbdio.Changes, f *rbdio.Handle, _ *rbdio.Call) error {
			_, err := c.CopyFrom(f, 0, 4000, 1000)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, rbdio.FilesOptions{}, func(r rig) {
				f := r.open(r.create("vm1", 8000), true)
				defer r.release(f)
				must(r.t, f.WriteAt(filled(5000, 1), 0))
				release := r.pool.Block("Resize")
				cut := begin(func() error { return f.Truncate(5000) })
				r.pool.Await("Resize", 1)
				call := new(rbdio.Call)
				end := begin(func() error { return change(f.For(call), f, call) })
				synctest.Wait()
				call.GiveUp()
				release()
				must(r.t, cut())
				wantErrno(r.t, end(), syscall.EINTR)
				r.wantSizes(f, 5000, 5000)
				wantBytes(r.t, f, 0, filled(5000, 1))
			})
		})
	}
}

// What has begun when it is given up comes before what is newer, and no further step of
// it follows.
func TestCallGivenUpComesFirst(t *testing.T) {
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f := r.open(r.create("vm1", 8000), true)
		defer r.release(f)
		r.pool.Delay("WriteAt", time.Hour)
		call := new(rbdio.Call)
		end := begin(func() error { return f.WriteFor(call, filled(100, 1), 0) })
		r.pool.Await("WriteAt", 1)
		call.GiveUp()
		r.pool.Delay("WriteAt", 0)
		must(t, f.WriteAt(filled(100, 2), 0))
		must(t, end()) // it was there first
		wantBytes(t, f, 0, filled(100, 2))
		wantErrno(t, f.WriteFor(call, filled(100, 3), 0), syscall.EINTR)
	})
}

func TestCopyGivenUpEndsAtItsStep(t *testing.T) {
	const chunk = 4 * mib
	inBubble(t, rbdio.FilesOptions{}, func(r rig) {
		f, g := r.open(r.create("vm1", 3*chunk), true), r.open(r.create("vm2", 3*chunk), true)
		defer r.release(f)
		defer r.release(g)
		must(t, f.WriteAt(filled(3*chunk, 1), 0))
		release := r.pool.Block("WriteAt")
		call := new(rbdio.Call)
		end := begin(func() error {
			_, err := g.For(call).CopyFrom(f, 0, 0, 3*chunk)
			return err
		})
		r.pool.Await("WriteAt", 2)
		call.GiveUp()
		release()
		wantErrno(t, end(), syscall.EINTR)
		wantBytes(t, g, chunk, make([]byte, 2*chunk))
	})
}
