package fs

import (
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

func TestBlocksSayWhatProgramsReadIntoThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.Uint64Range(0, 5000), rapid.Uint64Range(0, math.MaxInt64)).Draw(t, "size")
		allocated := rapid.OneOf(
			rapid.Just(int64(rbdio.Unknown)), rapid.Just(int64(0)), rapid.Just(int64(size)),
			rapid.Int64Range(0, int64(size)),
		).Draw(t, "allocated")
		noExtents := rapid.Bool().Draw(t, "noExtents")
		got := blocks(rbdio.Info{Size: size, Allocated: allocated}, noExtents)

		empty := size == 0 || allocated == 0 && !noExtents
		if (got == 0) != empty {
			t.Fatalf("st_blocks is %d: tar takes 0 for a file without data", got)
		}
		holes := !noExtents && (allocated == rbdio.Unknown || uint64(allocated) < size)
		if holes && size >= 1024 && got >= size/512 {
			t.Fatalf("st_blocks is %d: cp looks for no holes from %d on", got, size/512)
		}
		if !holes && got < size/512 {
			t.Fatalf("st_blocks is %d for a file without holes", got)
		}
		if got > (size+511)/512 {
			t.Fatalf("st_blocks is %d, more than all", got)
		}
	})
}

func TestBlocksAreWhatIsAllocated(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		info      rbdio.Info
		noExtents bool
		want      uint64
	}{
		{rbdio.Info{Size: 100 * mib, Allocated: 4 * mib}, false, 8192},
		{rbdio.Info{Size: 100 * mib, Allocated: 100 * mib}, false, 204800},
		{rbdio.Info{Size: 100 * mib, Allocated: rbdio.Unknown}, false, 204799},
		{rbdio.Info{Size: 100 * mib, Allocated: 0}, true, 204800},
		{rbdio.Info{Size: 1, Allocated: 1}, false, 1},
		{rbdio.Info{Size: 1, Allocated: rbdio.Unknown}, false, 1},
	} {
		if got := blocks(c.info, c.noExtents); got != c.want {
			t.Errorf("blocks(%d of %d, %v) = %d, want %d", c.info.Allocated, c.info.Size, c.noExtents, got, c.want)
		}
	}
}

func TestFileAttr(t *testing.T) {
	m := &mount{conf: Config{UID: 1, GID: 2, FileMode: 0o600}}
	at := func(s int64) time.Time { return time.Unix(s, 5) }
	info := rbdio.Info{Size: 100, Modified: at(20), Accessed: at(30), Allocated: rbdio.Unknown}
	var out fuse.Attr
	m.fileAttr(77, info, &out)
	if out.Ino != 77 || out.Mode != syscall.S_IFREG|0o600 || out.Uid != 1 || out.Gid != 2 || out.Nlink != 1 {
		t.Errorf("without kept attributes: %+v", out)
	}
	if out.Mtime != 20 || out.Mtimensec != 5 || out.Atime != 30 || out.Ctime != 20 {
		t.Errorf("times: %+v", out)
	}

	mode, zero, changed := uint32(0), uint32(0), at(40)
	info.Attr = rbdio.Attr{Mode: &mode, UID: &zero, GID: &zero, Changed: &changed}
	m.fileAttr(77, info, &out)
	if out.Mode != syscall.S_IFREG || out.Uid != 0 || out.Gid != 0 || out.Ctime != 40 || out.Mtime != 20 {
		t.Errorf("with kept attributes: %+v", out)
	}
	info.Modified = at(50) // the last write changed the file too
	if m.fileAttr(77, info, &out); out.Ctime != 50 {
		t.Errorf("st_ctime is %d, want the later time", out.Ctime)
	}
}
