package outage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestWaits has writes, reads, creations and listings wait for a frozen OSD, and
// end as if nothing had been.
func TestWaits(t *testing.T) {
	env.Mount.Check(t)
	f, c := file(t, env.Mount, "waits", os.O_RDWR|unix.O_DIRECT|unix.O_SYNC)
	resume := pause(t)
	calls := map[string]func() error{
		"write":  func() error { return c.TryWrite(f, 0, 100_000) },
		"read":   func() error { _, err := f.ReadAt(make([]byte, 100), 8_000_000); return err },
		"create": func() error { return os.WriteFile(env.Mount.Path("made"), []byte("made"), 0o600) },
		"list":   func() error { _, err := os.ReadDir(env.Mount.Dir); return err },
	}
	answers := map[string]chan error{}
	for what, call := range calls {
		answer := make(chan error, 1)
		answers[what] = answer
		go func() { answer <- call() }()
	}
	waits(t, "write", answers["write"])
	for _, what := range []string{"read", "create", "list"} {
		select {
		case err := <-answers[what]:
			t.Errorf("%s did not wait: %v", what, err)
		default:
		}
	}
	resume()
	for what, answer := range answers {
		if err := answered(t, what, time.Minute, answer); err != nil {
			t.Errorf("%s after the OSD came back: %v", what, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.Check(t, env.Mount.Path("waits"))
	c.CheckExport(t, env.Cluster, env.Pool+"/waits")
	if err := errors.Join(os.Remove(env.Mount.Path("waits")), os.Remove(env.Mount.Path("made"))); err != nil {
		t.Error(err)
	}
}

// TestRestart stops the OSD in order and starts it again, under a program that
// writes.
func TestRestart(t *testing.T) {
	env.Mount.Check(t)
	path := env.Mount.Path("restart")
	c := content.New(t, 0)
	f := content.Open(t, path, os.O_RDWR|os.O_CREATE)
	c.Write(t, f, 0, 9_000_001)
	content.Close(t, f)
	if err := env.Cluster.StopDaemon(t.Context(), theOSD); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	cmd := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+path, "bs=100000", "count=5", "conv=notrunc,fsync", "oflag=direct")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { answer <- cmd.Wait() }()
	waits(t, "write", answer)
	if err := env.Cluster.StartDaemon(t.Context(), theOSD); err != nil {
		t.Fatal(err)
	}
	if err := answered(t, "write", time.Minute, answer); err != nil {
		t.Fatal(err)
	}
	clear(c.Bytes[:500_000])
	c.Check(t, path)
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

// TestTimeout turns waiting into EIO with --io-timeout, and goes on when the OSD
// is back.
func TestTimeout(t *testing.T) {
	m := env.Start(t, harness.Options{Args: []string{"--io-timeout=3s"}})
	m.ExpectLog(t, `level=(WARN|ERROR) .*timed out`)
	f, c := file(t, m, "timeout", os.O_RDONLY|unix.O_DIRECT)
	resume := pause(t)
	answer := make(chan error, 2)
	go func() { _, err := f.ReadAt(make([]byte, 100), 1000); answer <- err }()
	go func() { _, err := os.Stat(m.Path("missing")); answer <- err }()
	for range cap(answer) {
		err := answered(t, "I/O with --io-timeout=3s", 20*time.Second, answer)
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("I/O with --io-timeout=3s: %v, want EIO", err)
		}
	}
	resume()
	c.CheckRead(t, f, 5)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.Check(t, m.Path("timeout"))
	if err := os.Remove(m.Path("timeout")); err != nil {
		t.Error(err)
	}
}

// TestChangedHeader has writes wait for a header that another client has changed
// and that a frozen OSD does not give. Whatever needs no OSD goes on.
func TestChangedHeader(t *testing.T) {
	env.Mount.Check(t)
	const files = 4 // more than there are threads that read requests
	var open [files]*os.File
	var contents [files]*content.Content
	for i := range open {
		open[i], contents[i] = file(t, env.Mount, fmt.Sprint("header", i), os.O_RDWR|unix.O_DIRECT)
		contents[i].Write(t, open[i], 0, 100) // has the image's lock, and what that takes
	}
	for i := range open {
		env.RBD(t, "image-meta", "set", env.Spec(fmt.Sprint("header", i)), "key", "value")
	}
	time.Sleep(500 * time.Millisecond) // until librbd was told
	resume := pause(t)
	written := make(chan error, files)
	for i, f := range open {
		go func() { written <- contents[i].TryWrite(f, 1000, 5000) }()
	}
	waits(t, "write", written)
	stat := make(chan error, 1)
	go func() { _, err := os.Stat(env.Mount.Dir); stat <- err }()
	if err := answered(t, "stat of the mount", 10*time.Second, stat); err != nil {
		t.Error(err)
	}
	resume()
	for range open {
		if err := answered(t, "write after the OSD came back", time.Minute, written); err != nil {
			t.Error(err)
		}
	}
	for i, f := range open {
		content.Close(t, f)
		contents[i].Check(t, f.Name())
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	}
}
