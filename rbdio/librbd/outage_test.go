package librbd

import (
	"syscall"
	"testing"
	"time"

	"rbdfs/rbdio"
	"rbdfs/tests/cluster"
)

// While the OSDs do not answer, calls wait; with an IOTimeout they fail, and
// afterwards work again.
func TestOutage(t *testing.T) {
	t.Parallel()
	own := cluster.Own(t, cluster.Options{})
	const timeout = 3 * time.Second
	dial := func(timeout time.Duration) *Pool {
		p, err := Connect(Config{Conf: own.Conf(), Name: cluster.RBD, Pool: cluster.DefaultPool, IOTimeout: timeout, Logger: testLog(t)})
		must(t, err)
		t.Cleanup(func() { must(t, p.Close()) })
		return p
	}
	patient, hasty := dial(0), dial(timeout)
	id, err := patient.Create("waits")
	must(t, err)
	waits := open(t, patient, id)
	must(t, waits.Resize(8<<20))
	id, err = hasty.Create("fails")
	must(t, err)
	fails, err := hasty.Open(id)
	must(t, err)
	must(t, fails.Resize(8<<20))

	must(t, own.PauseDaemon("osd.0"))
	waited := make(chan error, 1)
	go func() {
		waited <- writeAndFlush(waits, []byte{1}, 0)
	}()
	begin := time.Now()
	_, err = fails.ReadAt(make([]byte, 10), 0)
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	_, err = hasty.List()
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	err = writeAndFlush(fails, []byte{1}, 5<<20)
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	lost, _ := fails.Lost()
	must(t, fails.WriteAt([]byte{1}, 6<<20))
	fails.(*image).await(6<<20, 1) // it fails before anybody asks
	select {
	case err := <-waited:
		t.Errorf("the write without a timeout has ended: %v", err)
	default:
	}
	must(t, own.ResumeDaemon("osd.0"))
	for range 2 { // a flush takes nothing away
		must(t, fails.Flush())
		now, err := fails.Lost()
		wantErrno(t, err, syscall.ETIMEDOUT)
		if now != lost+1 {
			t.Errorf("%d writes were lost, want %d", now, lost+1)
		}
	}
	must(t, <-waited)
	waitFor(t, "the pool answers", func() bool {
		_, err := hasty.List()
		return err == nil
	})
	waitFor(t, "a write goes well", func() bool {
		err := writeAndFlush(fails, []byte{2}, 0)
		t.Log(err, time.Since(begin))
		return err == nil
	})
	t.Log(fails.Close())
}

// writeAndFlush returns the error of a write, also one that comes behind.
func writeAndFlush(img rbdio.Image, p []byte, fileOff uint64) error {
	before, _ := img.Lost()
	if err := img.WriteAt(p, fileOff); err != nil {
		return err
	}
	err := img.Flush()
	if now, lost := img.Lost(); now > before {
		return lost
	}
	return err
}
