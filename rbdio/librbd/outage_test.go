package librbd

import (
	"syscall"
	"testing"
	"time"

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
		err := waits.WriteAt([]byte{1}, 0)
		if err == nil {
			err = waits.Flush()
		}
		waited <- err
	}()
	begin := time.Now()
	_, err = fails.ReadAt(make([]byte, 10), 0)
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	_, err = hasty.List()
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	err = fails.WriteAt([]byte{1}, 5<<20)
	if err == nil {
		err = fails.Flush()
	}
	t.Log(err, time.Since(begin))
	wantErrno(t, err, syscall.ETIMEDOUT)
	must(t, fails.WriteAt([]byte{1}, 6<<20))
	fails.(*image).await(6<<20, 1) // it fails before anybody asks
	select {
	case err := <-waited:
		t.Errorf("the write without a timeout has ended: %v", err)
	default:
	}
	must(t, own.ResumeDaemon("osd.0"))
	wantErrno(t, fails.Flush(), syscall.ETIMEDOUT) // the lost write shows, once
	must(t, fails.Flush())
	must(t, <-waited)
	waitFor(t, "the pool answers", func() bool {
		_, err := hasty.List()
		return err == nil
	})
	waitFor(t, "a write goes well", func() bool {
		err := fails.WriteAt([]byte{2}, 0)
		if err == nil {
			err = fails.Flush()
		}
		t.Log(err, time.Since(begin))
		return err == nil
	})
	t.Log(fails.Close())
}
