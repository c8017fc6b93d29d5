package fs

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// A request that was interrupted is given up only when it is old and a signal
// that its process would act on is waiting. Go programs get SIGURG all the time,
// and an answer of EINTR to each would be a spurious read error.
const (
	giveUpAge   = 3 * time.Second
	giveUpCheck = time.Second
)

// call runs fn, which blocks in the cluster, for one kernel request, and returns
// the errno of its result. EINTR means that fn goes on in the background: what
// fn refers to must not be used for anything else.
func (m *mount) call(ctx context.Context, name string, fn func() error) syscall.Errno {
	done := make(chan error, 1)
	return m.await(ctx, name, nil, done, func() { done <- fn() })
}

// change is call for fn that changes a file: should the request be given up, what fn has
// not begun by then is not done, and what it has begun comes before what is newer.
func (m *mount) change(ctx context.Context, name string, fn func(*rbdio.Call) error) syscall.Errno {
	done := make(chan error, 1)
	call := new(rbdio.Call)
	return m.await(ctx, name, call, done, func() { done <- fn(call) })
}

// await is change for run, which ends by sending its result to done; call is nil for what
// changes no file.
func (m *mount) await(ctx context.Context, name string, call *rbdio.Call, done <-chan error, run func()) syscall.Errno {
	go run()
	start := time.Now()
	select {
	case err := <-done:
		return m.errno(err, name)
	case <-ctx.Done():
	}
	for wait := giveUpAge - time.Since(start); ; wait = giveUpCheck {
		select {
		case err := <-done:
			return m.errno(err, name)
		case <-time.After(wait):
			var pid uint32
			if caller, ok := fuse.FromContext(ctx); ok {
				pid = caller.Pid
			}
			if m.givesUp(name, pid, time.Since(start)) {
				call.GiveUp()
				return syscall.EINTR
			}
		}
	}
}

// callFor is call for an answer: what fn returns; ESTALE for something that there is
// not any more.
func callFor[T any](ctx context.Context, m *mount, name string, fn func() (T, error)) (T, syscall.Errno) {
	got := make(chan T, 1) // a request that is given up leaves it
	errno := m.call(ctx, name, func() error {
		value, err := fn()
		got <- value
		return m.gone(err)
	})
	if errno != 0 {
		var none T
		return none, errno
	}
	return <-got, 0
}

// harmless are signals that no read or write ends for: by default they are
// ignored, or the Go runtime sends them to itself.
const harmless = 1<<(syscall.SIGURG-1) | 1<<(syscall.SIGCHLD-1) | 1<<(syscall.SIGWINCH-1) | 1<<(syscall.SIGCONT-1)

// givesUp tells whether a request of a thread, old and interrupted, is to be given
// up.
func (m *mount) givesUp(name string, pid uint32, age time.Duration) bool {
	if age < giveUpAge || !signalWaits(pid) {
		return false
	}
	m.log.Warn("gave up a request: its process has a signal waiting and the cluster does not answer", "image", name, "age", age)
	return true
}

// signalWaits tells whether a thread, 0 for an unknown one, has a signal pending
// that it does not ignore.
func signalWaits(pid uint32) bool {
	if pid == 0 { // such as one in another PID namespace: believe the kernel
		return true
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return true // it is gone
	}
	masks := signalMasks(string(text))
	pending := (masks["SigPnd"] | masks["ShdPnd"]) &^ masks["SigIgn"]
	return pending&^harmless != 0
}

// signalMasks reads the Sig lines of proc_pid_status(5).
func signalMasks(status string) map[string]uint64 {
	masks := make(map[string]uint64)
	for line := range strings.Lines(status) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !strings.Contains(name, "Sig") && name != "ShdPnd" {
			continue
		}
		if mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil {
			masks[name] = mask
		}
	}
	return masks
}
