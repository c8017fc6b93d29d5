package fs

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// opener is the process that opened a file.
//
// The kernel sends a FLUSH for each close(2), also for those of the descriptors that
// fork(2) has copied: a child that starts a program closes them, and would wait for
// the cluster with each. POSIX has close wait for nothing, ext4 does not wait, and NFS
// waits for each close. Here the close waits that programs rely on: the opener's own,
// so that errors show and another host sees the data. The close of another process
// need not, while the opener's is still to come.
//
// Nothing here may read /proc/PID/stat: the kernel holds that back while the process
// is in execve(2), and so until the answer to its close.
type opener struct {
	pid    int
	fd     int         // a pidfd, since a pid is used again; -1 for an unknown process
	closed atomic.Bool // the opener has closed a descriptor of the file, maybe the last
}

// newOpener returns the process that makes a request. It must be closed.
//
// Calls pidfd_open(2).
func newOpener(ctx context.Context) *opener {
	o := &opener{fd: -1}
	var ok bool
	if o.pid, ok = callerOf(ctx); !ok {
		return o
	}
	if fd, err := unix.PidfdOpen(o.pid, 0); err == nil {
		o.fd = fd
	}
	return o
}

// close ends the use of o.
func (o *opener) close() {
	if o.fd >= 0 {
		_ = unix.Close(o.fd)
	}
}

// closes tells whether the opener's own close is over, or is this one, or cannot come
// any more. Otherwise the request is another process's, and the opener's is to come.
func (o *opener) closes(ctx context.Context) bool {
	if o.closed.Load() || !o.lives() {
		return true
	}
	pid, ok := callerOf(ctx)
	if ok && pid == o.pid {
		o.closed.Store(true)
	}
	return !ok || pid == o.pid
}

// lives tells whether the opener is known, and has not ended.
//
// Calls poll(2).
func (o *opener) lives() bool {
	if o.fd < 0 {
		return false
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}, 0)
	return n == 0 && err == nil
}

// callerOf returns the process that makes a request; false where it is not known, as
// that of another PID namespace.
func callerOf(ctx context.Context) (pid int, ok bool) {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Pid == 0 { // Pid is the thread's
		return 0, false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", caller.Pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "Tgid:"); found {
			pid, err = strconv.Atoi(strings.TrimSpace(value))
			return pid, err == nil
		}
	}
	return 0, false
}
