package fs

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// canceled returns the context of a request that was interrupted at once.
func canceled(pid int) context.Context {
	ctx := context.Background()
	if pid >= 0 {
		ctx = fuse.NewContext(ctx, &fuse.Caller{Pid: uint32(pid)})
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func TestInterruptedRequest(t *testing.T) {
	const unknown, itself, gone = -1, 0, 1 << 30
	for name, c := range map[string]struct {
		pid   int
		takes time.Duration
		want  syscall.Errno
		after time.Duration
	}{
		"young":                     {unknown, giveUpAge - 1, syscall.ENXIO, giveUpAge - 1},
		"old, its process unknown":  {unknown, time.Hour, syscall.EINTR, giveUpAge},
		"old, in another namespace": {itself, time.Hour, syscall.EINTR, giveUpAge},
		"old, its process gone":     {gone, time.Hour, syscall.EINTR, giveUpAge},
		"old, no signal waiting":    {os.Getpid(), time.Minute, syscall.ENXIO, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mount{log: slog.New(slog.DiscardHandler)}
				start := time.Now()
				got := m.call(canceled(c.pid), "vm1", func() error { time.Sleep(c.takes); return syscall.ENXIO })
				if after := time.Since(start); got != c.want || after != c.after {
					t.Errorf("answered %v after %v, want %v after %v", got, after, c.want, c.after)
				}
				time.Sleep(c.takes) // the call ends in the background
			})
		})
	}
}

func TestRequestThatIsNotInterruptedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mount{log: slog.New(slog.DiscardHandler)}
		if got := m.call(context.Background(), "vm1", func() error { time.Sleep(time.Hour); return nil }); got != 0 {
			t.Errorf("answered %v", got)
		}
	})
}

// A stopped process keeps its signals waiting, as one does that waits for FUSE.
func TestSignalWaits(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip("no sleep(1):", err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	must(t, child.Process.Signal(syscall.SIGSTOP))
	status := "/proc/" + strconv.Itoa(child.Process.Pid) + "/status"
	for text := ""; !strings.Contains(text, "State:\tT"); time.Sleep(time.Millisecond) {
		raw, err := os.ReadFile(status)
		must(t, err)
		text = string(raw)
	}
	pid := uint32(child.Process.Pid)
	for _, sig := range []syscall.Signal{syscall.SIGURG, syscall.SIGCHLD, syscall.SIGWINCH} {
		must(t, child.Process.Signal(sig))
	}
	if signalWaits(pid) {
		t.Error("a request ends for signals that mean nothing")
	}
	must(t, child.Process.Signal(syscall.SIGTERM))
	if !signalWaits(pid) {
		t.Error("a request does not end for SIGTERM")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const sampleStatus = `Name:	dd
State:	D (disk sleep)
SigQ:	0/63421
SigPnd:	0000000000000000
ShdPnd:	0000000000004002
SigBlk:	0000000000010000
SigIgn:	fffffffe00001000
SigCgt:	000000000000000z
`

func TestSignalMasks(t *testing.T) {
	want := map[string]uint64{"SigPnd": 0, "ShdPnd": 0x4002, "SigBlk": 0x10000, "SigIgn": 0xfffffffe00001000}
	if got := signalMasks(sampleStatus); !maps.Equal(got, want) {
		t.Errorf("masks are %x, want %x", got, want)
	}
}

func FuzzSignalMasks(f *testing.F) {
	f.Add(sampleStatus)
	f.Add("SigPnd:")
	f.Add(":SigPnd")
	f.Add("Name:\tSigPnd: 1\nShdPnd:\t\xff")
	f.Fuzz(func(t *testing.T, status string) {
		for name := range signalMasks(status) {
			if !strings.Contains(status, name+":") {
				t.Errorf("mask %q is not in %q", name, status)
			}
		}
	})
}
