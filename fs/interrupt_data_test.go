package fs

import (
	"bytes"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A write that was given up with EINTR and is still under way comes before a newer one.
func TestWriteGivenUpComesBeforeANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		h := opened(t, tr, 8192)
		tr.pool.Delay("WriteAt", time.Hour)
		if _, errno := h.Write(canceled(-1), []byte("old"), 0); errno != syscall.EINTR {
			t.Fatal(errno)
		}
		tr.pool.Delay("WriteAt", 0)
		if _, errno := h.Write(bg, []byte("new"), 0); errno != 0 {
			t.Fatal(errno)
		}
		time.Sleep(2 * time.Hour)
		wantData(t, h, "new")
	})
}

// A write that waited for another call when it was given up is not made.
func TestWriteGivenUpBeforeItBeganIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		h := opened(t, tr, 8192)
		tr.pool.Delay("Resize", time.Hour)
		go func() { must(t, h.file.Truncate(100)) }()
		tr.pool.Await("Resize", 1)
		if _, errno := h.Write(canceled(-1), []byte("old"), 0); errno != syscall.EINTR {
			t.Fatal(errno)
		}
		time.Sleep(2 * time.Hour)
		wantData(t, h, "\x00\x00\x00")
	})
}

// wantData compares what a file begins with.
func wantData(t *testing.T, h *imageHandle, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := h.file.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("the file begins with %q, want %q", got, want)
	}
}
