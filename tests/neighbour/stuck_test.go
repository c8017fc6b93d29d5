package neighbour

import (
	"fmt"
	"os"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// slowLog excuses that the cluster does not answer, which the daemon says if it lasts.
func slowLog(t *testing.T, m *harness.Mount) {
	m.Excuse(`cluster does not answer`)
}

// TestLargeRequests has more threads write 1 MiB each than there is memory for one
// image's requests.
func TestLargeRequests(t *testing.T) {
	for _, rw := range []string{"randwrite", "randread"} {
		t.Run(rw, func(t *testing.T) {
			m := env.Mount
			m.Check(t)
			slowLog(t, m)
			other := quiet(t, m)
			i := stuck(t, m)
			goesOn(t, other)
			i.stick()
			i.start(t, "--rw="+rw, "--bs=1M", "--numjobs=200")
			waiting(t, m, 150)
			goesOn(t, other)
		})
	}
}

// TestManySmallWrites writes more behind than librados has operations under way, by
// its own limit.
func TestManySmallWrites(t *testing.T) {
	m := env.Mount
	m.Check(t)
	slowLog(t, m)
	other := quiet(t, m)
	i := stuck(t, m)
	i.stick()
	fio := i.start(t, "--rw=write", "--bs=4k", "--numjobs=1")
	harness.Within(t, time.Minute, "writes are answered", func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", fio.Process.Pid))
		if err != nil {
			return err
		}
		var read, written int
		if _, err := fmt.Sscanf(string(text), "rchar: %d\nwchar: %d", &read, &written); err != nil || written < 2000*4096 {
			return fmt.Errorf("%d bytes, %v", written, err)
		}
		return nil
	})
	goesOn(t, other)
}

// TestAsynchronous has more asynchronous requests wait than the kernel lets out by
// itself.
func TestAsynchronous(t *testing.T) {
	m := env.Mount
	m.Check(t)
	slowLog(t, m)
	other := quiet(t, m)
	i := stuck(t, m)
	i.stick()
	i.start(t, "--rw=randread", "--bs=4k", "--ioengine=libaio", "--iodepth=256")
	waiting(t, m, 64)
	goesOn(t, other, "--ioengine=libaio", "--iodepth=16")
}
