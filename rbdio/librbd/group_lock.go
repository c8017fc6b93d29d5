package librbd

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Two clients that take snapshots of one group at once wait for each other for
// ever, in librbd: each gets the exclusive locks of some of its images first, and
// gives none up before it has all (seen on 16.2.15, ceph: src/librbd/api/Group.cc:
// snap_create). An image is in one group alone, so a lock on the group's object
// keeps mounts apart. It is RADOS's own kind, and ends by itself when its client
// has died. The rbd command knows nothing of it.
const (
	groupLockName  = "rbdfs.group_snap"
	groupLockTime  = 20 * time.Second // less than patience
	groupLockRenew = 5 * time.Second

	lockMayRenew byte = 1 // LIBRADOS_LOCK_FLAG_MAY_RENEW
)

// lockGroup waits until no other mount takes a snapshot of a group, and keeps them
// from it until unlock is called; EPERM, EBUSY.
//
// Calls rados_lock_exclusive and rados_unlock.
func (s *session) lockGroup(groupID, what string) (unlock func(), err error) {
	cookie := fmt.Sprintf("%d.%d", s.instance, s.groupLocks.Add(1))
	take := func() syscall.Errno {
		flags := lockMayRenew
		ret, err := s.io.LockExclusive(groupObject(groupID), groupLockName, cookie, "group snapshot by rbdfs", groupLockTime, &flags)
		if err != nil {
			return errnoFrom(err)
		}
		return syscall.Errno(-ret)
	}
	switch errno := patiently(take); errno {
	case 0:
	case syscall.EBUSY:
		return nil, s.because(errno, "another mount is taking a snapshot of the group", "%s", what)
	default:
		return nil, s.check(errno, "%s: lock the group", what)
	}
	stop := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(groupLockRenew):
				_ = take() // should it end, another mount may wait for us and we for it
			}
		}
	})
	return func() {
		close(stop)
		renewing.Wait()
		if _, err := s.io.Unlock(groupObject(groupID), groupLockName, cookie); err != nil {
			s.pool.log.Debug("a group's lock ends by itself", "group", groupID, "error", err)
		}
	}, nil
}
