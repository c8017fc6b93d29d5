package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Why a mount is not detached.
var (
	errCovered = errors.New("another mount lies over it")
	errNotDead = errors.New("it is in use by another daemon")
	errForeign = errors.New("another has made it")
)

// isDead tells whether path is a mount whose connection to its daemon has ended.
// The flag has the kernel ask the daemon instead of answering from its cache.
func isDead(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_FORCE_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &st)
	return errors.Is(err, unix.ENOTCONN)
}

// detachDead takes a dead mount off its path, and no other one: numbers of devices
// and mounts are used again, so that what is found there may be a newer mount.
func detachDead(m mountPoint) error {
	return holding(m, func(fd int) error {
		if os.Geteuid() != 0 {
			return detach(m.path)
		}
		return unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", fd), unix.MNT_DETACH)
	})
}

// probe checks that a mount is dead.
func probe(m mountPoint) error { return holding(m, func(int) error { return nil }) }

// holding runs f with a descriptor of the mount m, if that is dead. The descriptor
// keeps the mount's number from being used again.
func holding(m mountPoint, f func(fd int) error) error {
	fd, err := unix.Open(m.path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if mountID("/proc/self/fdinfo/"+strconv.Itoa(fd)) != m.id {
		return errCovered
	}
	var st unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
	if !errors.Is(err, unix.ENOTCONN) {
		return errNotDead
	}
	return f(fd)
}

// leftover is a mount of ours that stays in the tree.
type leftover struct {
	mountPoint
	covered bool // another mount lies over it, or over a folder above it
}

// leftText says how to remove leftovers.
func leftText(left []leftover) string {
	var text []string
	for _, at := range left {
		hint := fmt.Sprintf("\"umount -l %s\"", at.path)
		if at.covered {
			hint += " after unmounting what lies over it"
		}
		text = append(text, hint)
	}
	return strings.Join(text, ", ")
}

// inTree returns the mounts in this namespace that have the device number of a file
// system of ours: its own, as long as it lives, and perhaps a newer one's after.
func inTree(m mounted) []leftover {
	mounts, err := readMounts()
	if err != nil || m.device == "" {
		return nil
	}
	var found []leftover
	for i, at := range mounts {
		if at.device == m.device && at.fstype == mountType {
			found = append(found, leftover{at, isCovered(at, mounts[i+1:])})
		}
	}
	return found
}

// isCovered tells whether one of the later mounts hides m.
func isCovered(m mountPoint, later []mountPoint) bool {
	return slices.ContainsFunc(later, func(over mountPoint) bool {
		return over.path == m.path || strings.HasPrefix(m.path, strings.TrimSuffix(over.path, "/")+"/")
	})
}

// clearDead takes a mount that the kernel has ended off its directory, if it is
// still there, and returns what it could not take away: m itself under another
// mount, and bind mounts, which are left to who made them.
func clearDead(m mounted) (cleared bool, left []leftover) {
	mounts := inTree(m)
	// An umount -f that finds the mount unused ends the connection before it takes
	// the mount away; looking at it meanwhile would keep it from that.
	for began := time.Now(); len(mounts) > 0 && time.Since(began) < forceTime; mounts = inTree(m) {
		time.Sleep(forceTime / 20)
	}
	for _, at := range slices.Backward(mounts) { // the uppermost first
		switch err := clearOne(m, at.mountPoint); {
		case err == nil:
			cleared = true
		case !errors.Is(err, errNotDead):
			left = append(left, at)
		}
	}
	return cleared, left
}

// clearOne takes a dead mount off the tree if it is on m's own path.
func clearOne(m mounted, at mountPoint) error {
	_, err := within(dirTime, func() (struct{}, error) {
		if at.path == m.path {
			return struct{}{}, detachDead(at)
		}
		return struct{}{}, errors.Join(probe(at), errForeign)
	})
	// A dead mount answers at once.
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errNotDead
	}
	return err
}
