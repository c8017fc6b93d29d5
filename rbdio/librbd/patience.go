package librbd

import (
	"syscall"
	"time"
)

// While any client takes a group snapshot, librbd keeps the exclusive locks of the
// group's images and does nothing for other clients (ceph: src/librbd/api/Group.cc:
// snap_create: block_requests). Their writes wait for the lock, but resizes and
// snapshots answer EBUSY. A write past the end is not to fail for that, so these
// are repeated until the group snapshot is over, as it is in a second or two.
const (
	patience  = 30 * time.Second
	busyPause = 50 * time.Millisecond
)

// patiently repeats a call that answers EBUSY.
func patiently(call func() syscall.Errno) syscall.Errno {
	for begin := time.Now(); ; time.Sleep(busyPause) {
		errno := call()
		if errno != syscall.EBUSY || time.Since(begin) > patience {
			return errno
		}
	}
}
