package pair

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestExclusive keeps an image that is open for writing from the other host.
func TestExclusive(t *testing.T) {
	a, b := hosts(t, "--exclusive")
	c := env.Start(t, harness.Options{Args: []string{"--exclusive"}})
	put(t, a.Path("ex"), "text")
	f := content.Open(t, b.Path("ex"), os.O_RDWR)
	second := content.Open(t, b.Path("ex"), os.O_WRONLY)
	c.ExpectLog(t, `level=WARN msg=refused.*image=ex .*another client keeps its exclusive lock`)
	_, err := os.OpenFile(c.Path("ex"), os.O_RDWR, 0)
	want(t, "open for writing of both exclusive mounts", err, syscall.EBUSY)
	reads(t, c.Path("ex"), "text")
	// A mount without --exclusive is refused at its first write, or its flush.
	shared, err := os.OpenFile(a.Path("ex"), os.O_WRONLY, 0)
	if err == nil {
		_, err = shared.WriteAt([]byte("X"), 0)
		err = errors.Join(err, shared.Sync())
		shared.Close()
	}
	if !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing of a shared mount: %v", err)
	}
	_, err = f.WriteAt([]byte("T"), 0)
	must(t, err)
	content.Close(t, f)
	_, err = os.OpenFile(c.Path("ex"), os.O_RDWR, 0)
	want(t, "open before the last close", err, syscall.EBUSY)
	content.Close(t, second)
	soon(t, "the next open", func() error {
		f, err := os.OpenFile(c.Path("ex"), os.O_RDWR, 0)
		if err == nil {
			err = f.Close()
		}
		return err
	})
	reads(t, a.Path("ex"), "Text")
}
