package cluster

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// errClosed is the answer of a cluster after Close.
var errClosed = errors.New("cluster is closed")

// spawner starts processes that die with this process.
//
// PR_SET_PDEATHSIG fires when the *thread* that forked ends (prctl(2)). A
// goroutine may run on any thread, and Go ends threads whose goroutine exits
// while locked, so a daemon started in passing could be killed at any time.
// The spawner keeps one thread for itself from newSpawner to close, and
// starts everything there. Its end, by close or by the death of the process,
// kills what it started.
type spawner struct {
	work chan func()
	quit chan struct{}
	once sync.Once
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), quit: make(chan struct{})}
	go s.loop()
	return s
}

// loop is the goroutine of the thread. It never unlocks it, so that the
// thread ends with it.
func (s *spawner) loop() {
	runtime.LockOSThread()
	for {
		select {
		case f := <-s.work:
			f()
		case <-s.quit:
			return
		}
	}
}

// start starts cmd as a child that gets SIGKILL when the thread ends, in a
// process group of its own: Ctrl-C is for the owner, which ends its daemons in
// order.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error, 1)
	select {
	case s.work <- func() { result <- cmd.Start() }:
		return <-result
	case <-s.quit:
		return errClosed
	}
}

// close ends the thread and with it what still runs.
func (s *spawner) close() {
	s.once.Do(func() { close(s.quit) })
}
