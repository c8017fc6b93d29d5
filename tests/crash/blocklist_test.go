package crash

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestBlocklisted cuts a daemon off while it has files open: these answer EIO for
// good and the log says why; all else goes on by a new connection.
func TestBlocklisted(t *testing.T) {
	m := env.Start(t, harness.Options{})
	c := content.New(t, 9_000_000)
	f := content.Open(t, m.Path("cut"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT)
	c.Write(t, f, 0, len(c.Bytes))
	must(t, f.Sync())
	put(t, m.Path("other"), "other")
	reader := content.Open(t, m.Path("other"), os.O_RDONLY|unix.O_DIRECT)
	m.ExpectLog(t, `level=ERROR .*blocklisted`)
	evict(t, "cut")
	p := make([]byte, 1)
	eventually(t, "the cut", func() error { // the OSDs hear of it from the monitors
		_, err := f.WriteAt(p, 0)
		if errors.Join(err, f.Sync()) == nil {
			c.Bytes[0] = 0
			return errors.New("a write succeeds")
		}
		return nil
	})
	checkCutOff(t, f, reader)
	c.Check(t, m.Path("cut"))
	checkCutOff(t, f, reader)
	checkAlive(t, m)
	g := content.Open(t, m.Path("cut"), os.O_RDWR)
	c.Write(t, g, 1000, 100_000)
	content.Close(t, g)
	checkCutOff(t, f, reader)
	if err := f.Close(); err != nil && !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
	_ = reader.Close()
	c.Check(t, m.Path("cut"))
	c.CheckExport(t, env.Cluster, spec("cut"))
	must(t, os.Remove(m.Path("cut")))
}

// checkCutOff fails unless files that were open before the cut answer EIO.
func checkCutOff(t *testing.T, writer, reader *os.File) {
	t.Helper()
	p := make([]byte, 4096)
	_, readErr := writer.ReadAt(p, 0)
	_, otherErr := reader.ReadAt(p[:5], 0)
	_, writeErr := writer.WriteAt(p, 0)
	for what, err := range map[string]error{
		"read": readErr, "read of a reader": otherErr, "write": writeErr,
		"fsync": writer.Sync(), "truncate": writer.Truncate(1),
	} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s of a file that was cut off: %v, want EIO", what, err)
		}
	}
}

// checkAlive does what needs no open file from before.
func checkAlive(t *testing.T, m *harness.Mount) {
	t.Helper()
	put(t, m.Path("alive"), "text")
	must(t, os.Chmod(m.Path("alive"), 0o640))
	must(t, os.Rename(m.Path("alive"), m.Path("alive2")))
	if st := content.Stat(t, m.Path("alive2")); st.Size != 4 || st.Mode&0o777 != 0o640 {
		t.Errorf("a new file has %d bytes, mode %o", st.Size, st.Mode)
	}
	if _, err := os.ReadDir(m.Dir); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(m.Path("alive2")))
}
