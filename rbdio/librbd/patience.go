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
//
// While the lock changes hands they can also answer EINVAL, when two clients that
// take themselves for its owner answer (src/librbd/image_watcher/NotifyLockOwner.cc:
// "duplicate lock owners detected"): what is not valid indeed is so again.
const (
	patience  = 30 * time.Second
	busyPause = 50 * time.Millisecond
	unclear   = 3 // how often EINVAL is not believed
)

// patiently repeats a call that answers EBUSY, or EINVAL at first.
func patiently(call func() syscall.Errno) syscall.Errno {
	doubts := unclear
	for begin := time.Now(); ; time.Sleep(busyPause) {
		errno := call()
		switch {
		case errno == syscall.EINVAL && doubts > 0:
			doubts--
		case errno != syscall.EBUSY || time.Since(begin) > patience:
			return errno
		}
	}
}
