package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fakeServer notes what is asked of it.
type fakeServer struct {
	gone       chan struct{} // closed when the mount is gone
	flushed    chan struct{} // closed when Close may return
	unmountErr error
	closeErr   error
	mounts     []leftover // what is in the tree of it when it has ended
	cleared    bool
	left       []leftover

	once  sync.Once
	mu    sync.Mutex // guards calls
	calls []string
}

func (s *fakeServer) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *fakeServer) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

// end ends the mount; in reality a detached one ends with the process.
func (s *fakeServer) end() { s.once.Do(func() { close(s.gone) }) }

func (s *fakeServer) Wait()                { <-s.gone }
func (s *fakeServer) Detach() error        { s.note("detach"); return nil }
func (s *fakeServer) OpenImages() []string { return []string{"vm1", "vm2"} }

func (s *fakeServer) Unmount() error {
	s.note("unmount")
	if s.unmountErr == nil {
		s.end()
	}
	return s.unmountErr
}

func (s *fakeServer) Close(context.Context) error {
	s.note("close")
	<-s.flushed
	s.note("closed")
	s.end()
	return s.closeErr
}

// keeping runs a keeper on a server and returns what a test drives it by.
type keeping struct {
	server  *fakeServer
	signals chan os.Signal
	result  chan error
	log     *bytes.Buffer // read it only when the keeper waits: synctest.Wait
}

func keep(s *fakeServer) *keeping {
	s.gone = make(chan struct{})
	s.flushed = make(chan struct{})
	run := &keeping{server: s, signals: make(chan os.Signal, 8), result: make(chan error, 1), log: &bytes.Buffer{}}
	k := &keeper{
		server: s, mount: mounted{path: "/mnt", device: "0:45"}, logger: slog.New(slog.NewTextHandler(run.log, nil)),
		system: system{
			holders: func(mounted) []holder { return []holder{{who: "dd (pid 12)", files: []string{"vm1"}}} },
			present: func(mounted) bool { return true },
			inTree:  func(mounted) []leftover { return s.mounts },
			clear:   func(mounted) (bool, []leftover) { s.note("clear"); return s.cleared, s.left },
			sync:    func(string) error { s.note("sync"); return nil },
		},
	}
	go func() { run.result <- k.run(run.signals) }()
	return run
}

func TestUnmountedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := keep(&fakeServer{})
		run.server.end()
		synctest.Wait()
		if len(run.result) > 0 {
			t.Fatal("ended before the flush")
		}
		close(run.server.flushed)
		if err := <-run.result; err != nil || run.server.text() != "close closed" {
			t.Errorf("%v, %s", err, run.server.text())
		}
	})
}

// TestEndedByTheKernel checks what the keeper tells of a mount that the kernel has
// ended: when that is gone from the tree, taken off it, and left in it.
func TestEndedByTheKernel(t *testing.T) {
	here := leftover{mountPoint: mountPoint{path: "/mnt"}}
	bound := leftover{mountPoint: mountPoint{path: "/b"}, covered: true}
	for name, c := range map[string]struct {
		server *fakeServer
		code   exitCode
		log    string
	}{
		"gone":     {&fakeServer{mounts: []leftover{here}}, exitOK, "level=INFO msg=\"unmounted, everything is flushed\""},
		"cleared":  {&fakeServer{mounts: []leftover{here}, cleared: true}, exitOK, "the kernel ended the connection"},
		"left":     {&fakeServer{mounts: []leftover{here}, left: []leftover{here, bound}}, exitLeftDead, `umount -l /b\" after unmounting what lies over it`},
		"not told": {&fakeServer{mounts: []leftover{here}, left: []leftover{here}, closeErr: syscall.EIO}, exitFlush, `umount -l /mnt`},
	} {
		synctest.Test(t, func(t *testing.T) {
			run := keep(c.server)
			close(run.server.flushed)
			run.server.end()
			err := <-run.result
			if codeOf(err) != c.code || !strings.HasPrefix(run.server.text(), "clear close") {
				t.Errorf("%s: %v, %s", name, err, run.server.text())
			}
			if log := run.log.String(); !strings.Contains(log, c.log) || strings.Contains(log, "unmounted, everything") != (c.code == exitOK) {
				t.Errorf("%s: log %s", name, log)
			}
		})
	}
}

func TestForcedAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := keep(&fakeServer{unmountErr: syscall.EBUSY, mounts: []leftover{{mountPoint: mountPoint{path: "/mnt"}}}})
		close(run.server.flushed)
		run.signals <- syscall.SIGTERM
		run.signals <- syscall.SIGTERM
		if err := <-run.result; codeOf(err) != exitLeftDead {
			t.Error(err)
		}
	})
}

func TestSignalWhenIdle(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP} {
		synctest.Test(t, func(t *testing.T) {
			run := keep(&fakeServer{})
			close(run.server.flushed)
			run.signals <- sig
			if err := <-run.result; err != nil || run.server.text() != "unmount close closed" {
				t.Errorf("%v: %v, %s", sig, err, run.server.text())
			}
		})
	}
}

func TestSignalWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := keep(&fakeServer{unmountErr: syscall.EBUSY})
		run.signals <- syscall.SIGINT
		synctest.Wait()
		if text := run.log.String(); !strings.Contains(text, `images="vm1, vm2"`) || !strings.Contains(text, `holders="dd (pid 12): vm1"`) {
			t.Errorf("log: %s", text)
		}
		for range 3 { // a terminal that closes never forces
			run.signals <- syscall.SIGHUP
			synctest.Wait()
		}
		if len(run.result) > 0 || strings.Contains(run.server.text(), "detach") {
			t.Fatalf("does not go on serving: %s", run.server.text())
		}
		run.signals <- syscall.SIGTERM
		synctest.Wait()
		if !strings.HasSuffix(run.server.text(), "unmount sync detach close") || len(run.result) > 0 {
			t.Errorf("the second signal: %s", run.server.text())
		}
		run.signals <- syscall.SIGTERM // the third gives up nothing
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if len(run.result) > 0 || !strings.Contains(run.log.String(), "still flushing") {
			t.Fatalf("log: %s", run.log)
		}
		close(run.server.flushed)
		if err := <-run.result; err != nil {
			t.Error(err)
		}
	})
}

func TestTwoSignalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := keep(&fakeServer{unmountErr: syscall.EBUSY})
		close(run.server.flushed)
		run.signals <- syscall.SIGINT
		run.signals <- syscall.SIGINT
		if err := <-run.result; err != nil || !strings.HasSuffix(run.server.text(), "sync detach close closed") {
			t.Errorf("%v, %s", err, run.server.text())
		}
	})
}

func TestFlushFailureIsAnExitCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := keep(&fakeServer{closeErr: errors.New("flush \"vm1\": I/O error")})
		close(run.server.flushed)
		run.signals <- syscall.SIGTERM
		err := <-run.result
		if codeOf(err) != exitFlush || !strings.Contains(err.Error(), "vm1") {
			t.Error(err)
		}
	})
}

func TestControlTellsHowTheDaemonEnded(t *testing.T) {
	for want, err := range map[exitCode]error{exitOK: nil, exitFlush: errors.New("not everything\nwas flushed")} {
		device := "test:" + t.TempDir() // unique
		c := listenControl(device, slog.New(slog.DiscardHandler))
		d := findDaemon(device)
		if d == nil || d.pid != os.Getpid() {
			t.Fatalf("daemon %+v", d)
		}
		c.closing()
		if other := findDaemon(device); other != nil {
			t.Error("a daemon that ends is still found")
		}
		c.finish(err)
		if got := d.wait(); codeOf(got) != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestControlOfADaemonThatDied(t *testing.T) {
	device := "test:" + t.TempDir()
	c := listenControl(device, slog.New(slog.DiscardHandler))
	d := findDaemon(device)
	c.closing()
	c.mu.Lock()
	for conn := range c.waiting {
		conn.Close()
	}
	c.mu.Unlock()
	if err := d.wait(); codeOf(err) != exitFlush {
		t.Error(err)
	}
	var none *daemon
	if err := none.wait(); err != nil {
		t.Error(err)
	}
	var missing *control
	missing.closing()
	missing.finish(nil)
}

// TestControlLetsGoOfWhoHangsUp checks that an umount that was refused leaves
// nothing behind.
func TestControlLetsGoOfWhoHangsUp(t *testing.T) {
	device := "test:" + t.TempDir()
	c := listenControl(device, slog.New(slog.DiscardHandler))
	defer c.closing()
	stays := findDaemon(device)
	for range 20 {
		findDaemon(device).close()
	}
	waiting := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.waiting)
	}
	for deadline := time.Now().Add(20 * time.Second); waiting() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are kept, not 1", waiting())
		}
	}
	c.finish(nil)
	if err := stays.wait(); err != nil {
		t.Error(err)
	}
}
