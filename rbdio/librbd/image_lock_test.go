package librbd

import (
	"bytes"
	"syscall"
	"testing"
	"time"
)

// Another connection sees what was flushed, and a new size without reopening
// where it watches.
func TestTwoConnections(t *testing.T) {
	p := newPool(t)
	q := connect(t, p.cfg.Pool)
	id := create(t, p, "img", 8<<20, "")
	a, b := open(t, p, id), open(t, q, id)
	for i, w := range []*image{a, b, a} {
		must(t, w.WriteAt([]byte{byte(i + 1)}, uint64(i)))
		must(t, w.Flush())
		if alone, err := w.ownsLock(); !alone || err != nil {
			t.Errorf("%d: it wrote last, and the lock is not its: %v", i, err)
		}
	}
	if alone, err := b.ownsLock(); alone || err != nil {
		t.Errorf("the lock is still b's: %v", err)
	}
	buf := make([]byte, 3)
	_, err := b.ReadAt(buf, 0)
	must(t, err)
	if !bytes.Equal(buf, []byte{1, 2, 3}) {
		t.Error(buf)
	}
	must(t, a.Resize(16<<20))
	waitFor(t, "b sees a's size", func() bool {
		n, err := b.Size()
		must(t, err)
		return n == 16<<20
	})
}

// With Exclusive another's open for writing is refused at once, a lazy owner gives
// way, and the end of the first user's is the beginning of the next's.
func TestExclusive(t *testing.T) {
	exclusive := func(c *Config) { c.Exclusive = true }
	p := newPool(t, exclusive)
	q := connect(t, p.cfg.Pool, exclusive)
	plain := connect(t, p.cfg.Pool)
	id := create(t, p, "img", 8<<20, "")
	a, err := p.Open(id)
	must(t, err)
	must(t, a.WriteAt([]byte{1}, 0))
	begin := time.Now()
	_, err = q.Open(id)
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.EBUSY)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	compare(t, openRead(t, q, id), append([]byte{1}, make([]byte, 8<<20-1)...))
	lazy, err := plain.Open(id)
	must(t, err)
	err = writeAndFlush(lazy, []byte{2}, 1)
	t.Log("without Exclusive:", err)
	if err == nil {
		t.Error("a write without the lock went well")
	}
	t.Log(lazy.Close())
	must(t, a.WriteAt([]byte{3}, 2))
	must(t, a.Flush())
	if alone, err := a.(*image).ownsLock(); !alone || err != nil {
		t.Errorf("the lock is lost: %v", err)
	}
	must(t, a.Close())
	b, err := q.Open(id)
	must(t, err)
	must(t, b.WriteAt([]byte{4}, 3))
	must(t, b.Close())
	c := open(t, plain, id)
	must(t, c.WriteAt([]byte{5}, 4))
	b, err = q.Open(id)
	must(t, err)
	buf := make([]byte, 6)
	_, err = b.ReadAt(buf, 0)
	must(t, err)
	if !bytes.Equal(buf, []byte{1, 0, 3, 4, 5, 0}) {
		t.Error(buf)
	}
	must(t, b.Close())
	bare := create(t, p, "bare", 8<<20, "--image-feature layering")
	_, err = p.Open(bare)
	wantErrno(t, err, syscall.EOPNOTSUPP)
}
