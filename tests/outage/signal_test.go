package outage

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKill ends programs that wait for a frozen OSD, by the signals that users
// send, and without waiting for the OSD.
func TestKill(t *testing.T) {
	env.Mount.Check(t)
	env.Mount.ExpectLog(t, `gave up a request`)
	f, c := file(t, env.Mount, "kill", os.O_RDONLY)
	defer f.Close()
	path := env.Mount.Path("kill")
	resume := pause(t)
	var all sync.WaitGroup
	for _, command := range [][]string{
		{"dd", "if=" + path, "of=/dev/null", "bs=1M", "iflag=direct"},
		{"dd", "if=" + path, "of=/dev/null", "bs=1M"},
		{"dd", "if=/dev/zero", "of=" + path, "bs=1M", "count=1", "conv=notrunc,fsync", "oflag=direct"},
		{"dd", "if=/dev/zero", "of=" + path, "bs=1M", "count=1", "conv=notrunc"},
		{"ls", "-l", env.Mount.Dir},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
			all.Go(func() { killed(t, sig, command...) })
		}
	}
	all.Wait()
	resume()
	// What the killed dd's wrote, or did not, was zeros at the start.
	clear(c.Bytes[:1<<20])
	again := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+path, "bs=1M", "count=1", "conv=notrunc,fsync")
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.Check(t, path)
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

// killed starts a program, waits until it waits, and sends it a signal.
func killed(t *testing.T, sig syscall.Signal, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Errorf("%v did not wait for the OSD: %v: %s", command, err, &out)
		return
	case <-time.After(500 * time.Millisecond):
	}
	begin := time.Now()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
		t.Logf("%v ended %v after %v", command, time.Since(begin).Round(100*time.Millisecond), sig)
	case <-time.After(15 * time.Second):
		t.Errorf("%v does not end by %v while the OSD is away", command, sig)
	}
}

// TestUrgent sends this process SIGURG all the time, as the Go runtime does, while
// it reads and writes and the OSD is away for longer than a request is young.
func TestUrgent(t *testing.T) {
	env.Mount.Check(t)
	f, c := file(t, env.Mount, "urgent", os.O_RDWR|unix.O_DIRECT)
	stop := make(chan struct{})
	defer close(stop)
	go storm(stop)
	resume := pause(t)
	answer := make(chan error, 1)
	go func() { answer <- rawIO(int(f.Fd()), c.Bytes) }()
	time.Sleep(6 * time.Second)
	resume()
	if err := answered(t, "I/O", time.Minute, answer); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	c.Check(t, env.Mount.Path("urgent"))
	if err := os.Remove(env.Mount.Path("urgent")); err != nil {
		t.Error(err)
	}
}

// storm sends every thread of this process SIGURG until stop.
func storm(stop <-chan struct{}) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, task := range tasks {
			if tid, err := strconv.Atoi(task.Name()); err == nil {
				_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			}
		}
	}
}
