package asan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A copy that was given up goes on after its files were closed, and must not use what
// belongs to them then.
func TestGivenUpCopy(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.Excuse("gave up a request")
	const slow = 2 << 20 // bytes a second
	from, to := env.Mount.Path("from"), env.Mount.Path("to")
	must(t, os.WriteFile(from, bytes.Repeat([]byte{1}, 10*slow), 0o600))
	env.RBD(t, "config", "image", "set", env.Spec("from"), "rbd_qos_read_bps_limit", fmt.Sprint(slow))
	keeps, err := os.Create(to) // so that the copy can go on
	must(t, err)
	defer keeps.Close()
	cp := exec.Command("cp", from, to) // by copy_file_range(2)
	must(t, cp.Start())
	time.Sleep(time.Second) // it is in the copy
	must(t, cp.Process.Signal(syscall.SIGINT))
	if err := cp.Wait(); err == nil {
		t.Fatal("the copy was not interrupted")
	}
	for range 20 { // until it would have been over
		must(t, os.WriteFile(env.Mount.Path("beside"), []byte("data"), 0o600))
		time.Sleep(500 * time.Millisecond)
	}
	must(t, keeps.Close())
	for _, name := range []string{"from", "to", "beside"} {
		must(t, os.Remove(env.Mount.Path(name)))
	}
}

// Files are opened, changed in every way and closed, by several at once.
func TestChurn(t *testing.T) {
	env.Mount.Check(t)
	var wg sync.WaitGroup
	end := time.Now().Add(5 * time.Second)
	for worker := range 6 {
		wg.Go(func() {
			for round := 0; time.Now().Before(end); round++ {
				if err := use(env.Mount.Path(fmt.Sprint("file", worker%4)), worker, round); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		must(t, os.Remove(env.Mount.Path(fmt.Sprint("file", i))))
	}
}

// use opens a file, changes it and closes it.
func use(path string, worker, round int) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	data := bytes.Repeat([]byte{byte(worker + 1)}, 100_000)
	for _, step := range []func() error{
		func() error { _, err := f.WriteAt(data, int64(round%50)*70_000); return err },
		func() error { _, err := f.ReadAt(make([]byte, 10), 0); return err },
		func() error { return syscall.Fallocate(int(f.Fd()), 3, 4096, 8192) }, // a hole
		f.Sync,
		func() error { return f.Truncate(int64(100_000 + round%7*500_000)) },
		func() error { _, err := f.Seek(0, 3); return err }, // SEEK_DATA
	} {
		// Another worker may have cut the file.
		if err := step(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ENXIO) {
			return err
		}
	}
	return nil
}
