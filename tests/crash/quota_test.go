package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestQuota writes to a pool until its quota is reached: the writer gets EDQUOT
// or ENOSPC, at the latest from fsync or close, and what was acknowledged by
// fsync is there. Removing makes room.
func TestQuota(t *testing.T) {
	t.Parallel()
	pool := env.Cluster.Pool(t)
	ceph(t, "osd", "pool", "set-quota", pool, "max_bytes", fmt.Sprint(20<<20))
	m := env.Start(t, harness.Options{Pool: pool})
	m.ExpectLog(t, `level=WARN msg=refused .*errno="(disk quota exceeded|no space left on device)"`)
	c := content.New(t, 0)
	f := content.Open(t, m.Path("full"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT)
	synced := 0
	err := bounded(t, func() (err error) {
		for err == nil {
			if err = c.TryWrite(f, len(c.Bytes), 1<<20); err == nil {
				err = f.Sync()
			}
			if err == nil {
				synced = len(c.Bytes)
			}
			time.Sleep(50 * time.Millisecond) // the manager counts once a second
		}
		return err
	})
	if !errors.Is(err, syscall.EDQUOT) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full pool: %v", err)
	}
	if err := bounded(t, f.Close); err != nil {
		t.Logf("close: %v", err)
	}
	c.Bytes = c.Bytes[:synced]
	got, err := os.ReadFile(m.Path("full"))
	must(t, err)
	if len(got) < synced {
		t.Fatalf("%d bytes were fsynced; the file has %d", synced, len(got))
	}
	for i, want := range c.Bytes {
		if got[i] != want {
			t.Fatalf("%d bytes were fsynced; the file has %d, and at %d %d instead of %d", synced, len(got), i, got[i], want)
		}
	}
	must(t, bounded(t, func() error { return os.Remove(m.Path("full")) }))
	eventually(t, "writing after the removal", func() error { return bounded(t, func() error { return write(m.Path("new")) }) })
}

// TestFullPoolLeavesTheSize appends to a file until the pool's quota is reached, and
// then some more: the image is not left longer than the file, neither then nor when
// there is room again.
func TestFullPoolLeavesTheSize(t *testing.T) {
	for name, args := range map[string][]string{"writeback": nil, "none": {"--cache=none"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := env.Cluster.Pool(t)
			ceph(t, "osd", "pool", "set-quota", pool, "max_bytes", fmt.Sprint(6<<20))
			m := env.Start(t, harness.Options{Pool: pool, Args: args})
			m.ExpectLog(t, `level=WARN msg=refused .*errno="(disk quota exceeded|no space left on device)"`)
			c := content.New(t, 0)
			f := content.Open(t, m.Path("full"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT)
			for refused := 0; refused < 3; time.Sleep(50 * time.Millisecond) { // the manager counts once a second
				err := bounded(t, func() error { return errors.Join(c.TryWrite(f, len(c.Bytes), 1_000_000), f.Sync()) })
				if err != nil {
					refused++
				}
			}
			long := func() error { return longer(t, pool+"/full", f) }
			must(t, long())
			ceph(t, "osd", "pool", "set-quota", pool, "max_bytes", "0")
			content.Close(t, f)
			f = content.Open(t, m.Path("full"), os.O_RDWR)
			must(t, long())
			eventually(t, "writing to it", func() error {
				_, err := f.WriteAt([]byte{1}, 40<<20)
				return errors.Join(err, f.Sync())
			})
			must(t, long())
			content.Close(t, f)
		})
	}
}

// longer is an error unless an image is as long as its file.
func longer(t *testing.T, spec string, f *os.File) error {
	t.Helper()
	var image struct{ Size int64 }
	must(t, json.Unmarshal([]byte(rbd(t, "info", "--format", "json", spec)), &image))
	info, err := f.Stat()
	must(t, err)
	if image.Size != info.Size() {
		return fmt.Errorf("the image has %d bytes, and the file %d", image.Size, info.Size())
	}
	return nil
}

// write makes a file.
func write(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) }

// bounded runs a call that must not wait for ever.
func bounded(t *testing.T, call func() error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		t.Fatal("the call does not return")
		return nil
	}
}
