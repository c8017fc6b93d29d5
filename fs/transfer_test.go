package fs

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// opened opens a new image of size bytes, for reading and writing.
func opened(t testing.TB, tr *tree, size uint64) *imageHandle {
	t.Helper()
	id, err := tr.pool.Foreign().Create("vm1", size)
	must(t, err)
	handle, _, errno := tr.m.open(t.Context(), id, syscall.O_RDWR)
	if errno != 0 {
		t.Fatal(errno)
	}
	h := handle.(*imageHandle)
	t.Cleanup(func() { h.Release(context.Background()) })
	return h
}

// flatFile is a file of zeros: what a transfer costs by itself.
type flatFile struct{}

func (flatFile) ReadAt(p []byte, _ uint64) (int, error)     { return len(p), nil }
func (flatFile) WriteFor(*rbdio.Call, []byte, uint64) error { return nil }

func TestTransfersAllocateNothing(t *testing.T) {
	if poolsForget {
		t.Skip("the race detector has sync.Pool allocate; the run without it counts")
	}
	tr := newTree(t)
	data := make([]byte, 4096)
	reads := testing.AllocsPerRun(1000, func() {
		r, errno := tr.m.read(bg, "vm1", flatFile{}, len(data), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		r.Done()
	})
	writes := testing.AllocsPerRun(1000, func() {
		if _, errno := tr.m.write(bg, "vm1", flatFile{}, data, 0); errno != 0 {
			t.Fatal(errno)
		}
	})
	if reads >= 1 || writes >= 1 {
		t.Errorf("a read allocates %v times, a write %v times", reads, writes)
	}
}

// go-fuse may take the buffer back before it writes the reply, unless that is
// copied from it first.
func TestReadFillsTheReplyBeforeItsBufferIsUsedAgain(t *testing.T) {
	tr := newTree(t)
	h := opened(t, tr, 8192)
	if _, errno := h.Write(bg, []byte("first"), 0); errno != 0 {
		t.Fatal(errno)
	}
	r, errno := h.Read(bg, make([]byte, 5), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	reply := [][]byte{make([]byte, 2), make([]byte, 3)}
	n, status := r.(interface {
		Readv([][]byte) (int, fuse.Status)
	}).Readv(reply)
	r.Done()
	if _, errno := h.Write(bg, []byte("later"), 0); errno != 0 {
		t.Fatal(errno)
	}
	if got := fmt.Sprintf("%s%s", reply[0], reply[1]); n != 5 || status != fuse.OK || got != "first" {
		t.Errorf("%d bytes, %v: %q", n, status, got)
	}
}

// The way of a read and a write through the nodes, on a pool in memory.
func BenchmarkTransfer(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		tr := newTree(b)
		h := opened(b, tr, 64<<20)
		data := make([]byte, size)
		b.Run(fmt.Sprintf("write-%dk", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := range b.N {
				if _, errno := h.Write(bg, data, int64(i%16*size)); errno != 0 {
					b.Fatal(errno)
				}
			}
		})
		b.Run(fmt.Sprintf("read-%dk", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := range b.N {
				r, errno := h.Read(bg, data, int64(i%16*size))
				if errno != 0 {
					b.Fatal(errno)
				}
				r.Done()
			}
		})
	}
}
