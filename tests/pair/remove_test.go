package pair

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
)

// TestRemoveInUse is refused while the other host has the image open for writing,
// and changes nothing.
func TestRemoveInUse(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("used"), "text")
	f := content.Open(t, b.Path("used"), os.O_RDWR)
	_, err := f.WriteAt([]byte("more"), 4)
	must(t, err)
	a.ExpectLog(t, `level=WARN msg=refused.*image=used .*another client has it open`)
	want(t, "rm", os.Remove(a.Path("used")), syscall.EBUSY)
	put(t, a.Path("over"), "other")
	a.ExpectLog(t, `level=WARN msg=refused.*image=over .*another client has it open`)
	want(t, "mv over it", os.Rename(a.Path("over"), a.Path("used")), syscall.EBUSY)
	must(t, notInTrash(t, "used")())
	if meta := rbd(t, "image-meta", "ls", spec("used")); strings.Contains(meta, "removed") {
		t.Errorf("the image is marked: %s", meta)
	}
	_, err = f.WriteAt([]byte("!"), 8)
	must(t, err)
	content.Close(t, f)
	soon(t, "what was written", func() error { return holds(a.Path("used"), "textmore!") })
	reads(t, a.Path("over"), "other")
	within(t, visible, "rm after the close", func() error { return os.Remove(a.Path("used")) })
	must(t, os.Remove(a.Path("over")))
}

// TestRemoveWithSnapshots is ENOTEMPTY and changes nothing.
func TestRemoveWithSnapshots(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("snapped"), "text")
	rbd(t, "snap", "create", "--no-progress", spec("snapped")+"@s")
	a.ExpectLog(t, `level=WARN msg=refused.*image=snapped .*snapshots`)
	a.ExpectLog(t, `level=WARN msg=refused.*image=over .*snapshots`)
	want(t, "rm", os.Remove(a.Path("snapped")), syscall.ENOTEMPTY)
	put(t, a.Path("over"), "other")
	want(t, "mv over it", os.Rename(a.Path("over"), a.Path("snapped")), syscall.ENOTEMPTY)
	reads(t, b.Path("snapped"), "text")
	reads(t, b.Path("over"), "other")
	rbd(t, "snap", "rm", "--no-progress", spec("snapped")+"@s")
	must(t, os.Remove(a.Path("snapped")))
	must(t, os.Remove(a.Path("over")))
}

// TestRemoveWhileOpen goes on using a removed file until its last close, although
// both hosts purge other images meanwhile.
func TestRemoveWhileOpen(t *testing.T) {
	for name, flags := range map[string]int{"reader": os.O_RDONLY, "writer": os.O_RDWR} {
		t.Run(name, func(t *testing.T) {
			a, b := hosts(t)
			c := content.New(t, 9_000_000)
			f := content.Open(t, a.Path("gone"), os.O_RDWR|os.O_CREATE)
			c.Write(t, f, 0, len(c.Bytes))
			content.Close(t, f)
			f = content.Open(t, a.Path("gone"), flags|unix.O_DIRECT)
			must(t, os.Remove(a.Path("gone")))
			must(t, absent(a, "gone")())
			soon(t, "a removed image", absent(b, "gone"))
			purgeAnother(t, b.Path("other"))
			purgeAnother(t, a.Path("other"))
			c.CheckRead(t, f, 10)
			if flags == os.O_RDWR {
				c.Write(t, f, 1000, 100_000)
				c.Write(t, f, len(c.Bytes), 5000)
				must(t, f.Sync())
			}
			data := make([]byte, len(c.Bytes))
			if _, err := f.ReadAt(data, 0); err != nil || string(data) != string(c.Bytes) {
				t.Fatalf("the removed file's data is not what it was (%v)", err)
			}
			var st unix.Stat_t
			must(t, unix.Fstat(int(f.Fd()), &st))
			if st.Nlink != 0 || st.Size != int64(len(c.Bytes)) {
				t.Errorf("fstat: %d names, %d bytes", st.Nlink, st.Size)
			}
			content.Close(t, f)
			within(t, 10*visible, "the purge", notInTrash(t, "gone"))
		})
	}
}

// purgeAnother removes an image and waits until it is purged, so that the
// daemon has gone through the trash.
func purgeAnother(t *testing.T, path string) {
	t.Helper()
	put(t, path, "other")
	must(t, os.Remove(path))
	within(t, 10*visible, "the purge of another image", notInTrash(t, "other"))
}

// notInTrash fails while the trash has an image of this name.
func notInTrash(t *testing.T, name string) func() error {
	return func() error {
		if list := rbd(t, "trash", "ls", env.Pool); strings.Contains(list+"\n", " "+name+"\n") {
			return fmt.Errorf("the trash has %s", list)
		}
		return nil
	}
}

// TestRenameOver replaces a file that is open: who has it open keeps the old one
// until its last close.
func TestRenameOver(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("old"), "old text")
	put(t, a.Path("new"), "new")
	f := content.Open(t, a.Path("old"), os.O_RDONLY)
	must(t, os.Rename(a.Path("new"), a.Path("old")))
	reads(t, a.Path("old"), "new")
	soon(t, "the new file", func() error { return holds(b.Path("old"), "new") })
	purgeAnother(t, b.Path("other"))
	if got, err := io.ReadAll(f); err != nil || string(got) != "old text" {
		t.Errorf("the old file holds %q, %v", got, err)
	}
	content.Close(t, f)
	within(t, 10*visible, "the purge", notInTrash(t, "old"))
	must(t, os.Remove(b.Path("old")))
}
