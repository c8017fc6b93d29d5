package pair

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
)

// TestGrowth writes past the end on one host; after the close the other has all
// of it and no more.
func TestGrowth(t *testing.T) {
	a, b := hosts(t)
	c := content.New(t, 0)
	f := content.Open(t, a.Path("grow"), os.O_RDWR|os.O_CREATE)
	for range 100 {
		c.Write(t, f, len(c.Bytes), 99_999)
	}
	content.Close(t, f)
	soon(t, "the size", present(b, "grow", int64(len(c.Bytes))))
	c.Check(t, b.Path("grow"))
	c.CheckExport(t, env.Cluster, spec("grow"))
	must(t, os.Remove(a.Path("grow")))
}

// TestForeignResize gives an image another size while it grows here: that size is
// kept, unless this host's data reaches further.
func TestForeignResize(t *testing.T) {
	for name, size := range map[string]int64{"larger": 60 << 20, "smaller": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			a, b := hosts(t)
			c := content.New(t, 0)
			f := content.Open(t, a.Path("res"), os.O_RDWR|os.O_CREATE)
			c.Write(t, f, 0, 1_000_001)
			rbd(t, "resize", "--no-progress", "--allow-shrink", "--size", fmt.Sprintf("%dB", size), spec("res"))
			soon(t, "the size here", sized(f, size))
			c.Write(t, f, len(c.Bytes), 1000)
			content.Close(t, f)
			soon(t, "the size here, closed", present(a, "res", size))
			soon(t, "the size there", present(b, "res", size))
			c.Bytes = append(c.Bytes, make([]byte, int(size)-len(c.Bytes))...)
			c.CheckExport(t, env.Cluster, spec("res"))
			c.Check(t, b.Path("res"))
			must(t, os.Remove(b.Path("res")))
		})
	}
}

// TestForeignWriteWhileGrown has the other host write where this one's growth
// runs ahead of its data. That must not be cut off.
func TestForeignWriteWhileGrown(t *testing.T) {
	for name, again := range map[string]bool{"first": false, "again": true} {
		t.Run(name, func(t *testing.T) {
			a, b := hosts(t)
			c := content.New(t, 0)
			f := content.Open(t, a.Path("ahead"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT)
			c.Write(t, f, 0, 1_000_001)
			soon(t, "the image on the other host", func() error { _, err := os.Stat(b.Path("ahead")); return err })
			g := content.Open(t, b.Path("ahead"), os.O_RDWR|unix.O_DIRECT)
			c.Write(t, g, 1_500_000, 1000)
			content.Close(t, g)
			if again { // the lock comes back before the file is settled
				c.Write(t, f, 1_000_001, 1000)
			}
			content.Close(t, f)
			info, err := os.Stat(b.Path("ahead"))
			must(t, err)
			if info.Size() < int64(len(c.Bytes)) {
				t.Fatalf("the file has %d bytes; the other host wrote up to %d", info.Size(), len(c.Bytes))
			}
			c.Bytes = append(c.Bytes, make([]byte, int(info.Size())-len(c.Bytes))...)
			c.CheckExport(t, env.Cluster, spec("ahead"))
			must(t, os.Remove(a.Path("ahead")))
		})
	}
}
