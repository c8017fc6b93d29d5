package fs

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// What was looked up ahead does not bring back an old size: the kernel would
// take it for the end of the file, and append there.
func TestLookupAheadShowsOwnChanges(t *testing.T) {
	for name, change := range map[string]func(tr *tree, node uint64){
		"open, written": func(tr *tree, node uint64) {
			fh, status := tr.open(node, syscall.O_RDWR)
			tr.want("open", status, 0)
			tr.want("write", tr.write(node, fh, 0, "data"), 0)
			tr.t.Cleanup(func() { tr.release(node, fh) })
		},
		"written, closed": func(tr *tree, node uint64) {
			fh, status := tr.open(node, syscall.O_RDWR)
			tr.want("open", status, 0)
			tr.want("write", tr.write(node, fh, 0, "data"), 0)
			tr.release(node, fh)
		},
		"truncated": func(tr *tree, node uint64) {
			var in fuse.SetAttrIn
			var out fuse.AttrOut
			in.InHeader, in.Valid, in.Size = header(node), fuse.FATTR_SIZE, 4
			tr.want("truncate", tr.raw.SetAttr(nil, &in, &out), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTree(t)
				for k := range 4 {
					_, err := tr.pool.Foreign().Create(fmt.Sprint("vm", k), 0)
					must(t, err)
				}
				last, status := tr.lookup("vm3")
				tr.want("look up", status, 0)
				entries, err := tr.pool.List()
				must(t, err)
				tr.m.ahead.listed(tr.m.ahead.begin(), entries)
				tr.lookup("vm0")
				tr.lookup("vm1") // the others are looked up ahead
				synctest.Wait()
				change(tr, last.NodeId)
				if out, status := tr.lookup("vm3"); out.Size != 4 || status != fuse.OK {
					t.Errorf("the file has %d bytes, %v; want 4", out.Size, status)
				}
			})
		})
	}
}

// What another client removes cannot be opened, and the name is not given once
// more by what was known of it: the kernel asks for it again to make a new file.
func TestRemovedByAnother(t *testing.T) {
	t.Run("image", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tr := newTree(t)
			tr.images(4, 0)
			entries, err := tr.pool.List()
			must(t, err)
			tr.m.ahead.listed(tr.m.ahead.begin(), entries)
			for _, e := range entries[:2] {
				tr.lookup(e.Name) // the others are looked up ahead
			}
			synctest.Wait()
			must(t, tr.pool.Foreign().Delete(entries[2].Name))
			out, status := tr.lookup(entries[2].Name)
			tr.want("look up, as known", status, 0)
			_, status = tr.open(out.NodeId, syscall.O_RDWR)
			tr.want("open", status, syscall.ESTALE)
			_, status = tr.lookup(entries[2].Name)
			tr.want("look up", status, syscall.ENOENT)
		})
	})
	t.Run("snapshot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tr := newTree(t)
			id := tr.images(1, 0)[0]
			must(t, tr.pool.Foreign().Snapshot(id, "s"))
			entries, err := tr.pool.List()
			must(t, err)
			dir := tr.walk(".snap", entries[0].Name).NodeId
			file := tr.walk(".snap", entries[0].Name, "s", entries[0].Name)
			must(t, tr.pool.Foreign().RemoveSnapshot(id, "s"))
			_, status := tr.lookupIn(dir, "s")
			tr.want("look up, as known", status, 0)
			_, status = tr.open(file.NodeId, syscall.O_RDONLY)
			tr.want("open", status, syscall.ESTALE)
			_, status = tr.lookupIn(dir, "s")
			tr.want("look up", status, syscall.ENOENT)
		})
	})
}
