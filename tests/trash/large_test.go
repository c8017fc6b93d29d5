package trash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// The purge of a large empty image costs what it holds: 64 TiB are 16 million objects,
// and going through them takes the daemon 10 s and more of the CPU, in which nothing
// else of its client is answered.
func TestPurgeOfALargeEmptyImage(t *testing.T) {
	start(t)
	m := env.Start(t, harness.Options{})
	put(t, m.Path("other"), "x")
	put(t, m.Path("vm1"), "x")
	must(t, os.Truncate(m.Path("vm1"), 64<<40))
	before := cpuTime(t, m.Pid)
	must(t, os.Remove(m.Path("vm1")))
	within(t, 2*time.Minute, "the purge", func() error {
		reads(t, m.Path("other"), "x")
		return purged("vm1")
	})
	if used := cpuTime(t, m.Pid) - before; used > 3*time.Second {
		t.Errorf("the daemon used %v of the CPU", used)
	} else {
		t.Logf("%v of the CPU", used)
	}
	must(t, os.Remove(m.Path("other")))
}

// cpuTime is what a process has used of the CPU.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	user, err := strconv.Atoi(fields[12])
	must(t, err)
	system, err := strconv.Atoi(fields[13])
	must(t, err)
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// Unmounting stops the purge of a large image, and the next mount goes on where it was.
func TestPurgeIsStopped(t *testing.T) {
	pool := env.Cluster.Pool(t) // no other mount purges there
	m := env.Start(t, harness.Options{Pool: pool})
	// Without an object map every object may be there.
	rbd(t, "create", "--size", "64G", "--image-feature", "layering,exclusive-lock", pool+"/vm1")
	var info struct{ ID string }
	must(t, json.Unmarshal([]byte(rbd(t, "info", "--format", "json", pool+"/vm1")), &info))
	size := func() (bytes uint64) { return sizeOf(t, pool, info.ID) }
	soon(t, "the image", func() error { _, err := os.Stat(m.Path("vm1")); return err })
	must(t, os.Remove(m.Path("vm1")))
	within(t, time.Minute, "the begin of the purge", func() error {
		if size() == 64<<30 {
			return errors.New("it has all of its size")
		}
		return nil
	})
	must(t, m.Unmount())
	if !strings.Contains(m.Log(), "not purged yet") || !strings.Contains(m.Log(), "percent=") {
		t.Errorf("not stopped: %s", m.Log())
	}
	if left := size(); left == 0 {
		t.Error("nothing is left")
	}
	if _, err := env.Cluster.RBD(t.Context(), "trash", "restore", "--pool", pool, "--image-id", info.ID); err == nil {
		t.Error("half an image can be restored")
	}
	m = env.Start(t, harness.Options{Pool: pool})
	m.WaitLog(t, "purged a removed image.*image=vm1")
	must(t, m.Unmount())
}

// sizeOf is the size of a removed image, in bytes.
func sizeOf(t *testing.T, pool, id string) uint64 {
	t.Helper()
	var info struct{ Size uint64 }
	must(t, json.Unmarshal([]byte(rbd(t, "info", "--format", "json", "--pool", pool, "--image-id", id)), &info))
	return info.Size
}
