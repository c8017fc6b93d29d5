package fs

import (
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestFlatten(t *testing.T) {
	tr := newTree(t)
	id, err := tr.pool.Foreign().Create("golden", 5000)
	must(t, err)
	must(t, tr.pool.Foreign().Snapshot(id, "v1"))
	var out fuse.EntryOut
	link := fuse.LinkIn{InHeader: header(rootIno), Oldnodeid: tr.walk(".snap", "golden", "v1", "golden").NodeId}
	tr.want("clone", tr.raw.Link(nil, &link, "vm", &out), 0)
	vm, golden := out.NodeId, tr.walk("golden").NodeId
	set := func(node uint64, value string) fuse.Status {
		return tr.raw.SetXAttr(nil, &fuse.SetXAttrIn{InHeader: header(node)}, xattrFlatten, []byte(value))
	}
	wantValue := func(want string) {
		t.Helper()
		if got, status := tr.getxattr(vm, xattrFlatten, 100); got != want || status != 0 {
			t.Errorf("%q, %v, want %q", got, status, want)
		}
	}
	wantValue("0%")
	tr.want("another value", set(vm, "yes"), syscall.EINVAL)
	tr.want("without a parent", set(golden, "1"), syscall.EINVAL)
	_, status := tr.getxattr(golden, xattrFlatten, 100)
	tr.want("without a parent", status, syscall.ENODATA)
	release := tr.pool.Block("Flatten")
	tr.want("flatten", set(vm, "1"), 0)
	tr.pool.Await("Flatten", 1)
	tr.want("stop", set(vm, "0"), 0)
	release()
	tr.waitFlatten(t, vm, "50%, stopped")
	tr.pool.Fail("Flatten", 1, syscall.ENOSPC)
	tr.want("flatten", set(vm, "1"), 0)
	tr.waitFlatten(t, vm, "0%, ended: no space left on device")
	tr.want("flatten", set(vm, "1"), 0)
	tr.waitFlatten(t, vm, "100%")
}

// waitFlatten waits for the end of a flattening.
func (tr *tree) waitFlatten(t *testing.T, node uint64, want string) {
	t.Helper()
	for t.Context().Err() == nil {
		got, status := tr.getxattr(node, xattrFlatten, 100)
		if got == want {
			return
		}
		if status != 0 || len(got) > 5 {
			t.Fatalf("%q, %v, want %q", got, status, want)
		}
	}
}
