package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// machine is the system that keepers use outside of tests.
func machine() system {
	return system{holders: findHolders, present: present, inTree: inTree, clear: clearDead, sync: syncMount}
}

// present tells whether our mount is the uppermost one at its place.
func present(m mounted) bool {
	mounts, err := readMounts()
	if err != nil || m.device == "" {
		return true // not known, and it was there once
	}
	at, ok := mountAt(mounts, m.path)
	return ok && at.device == m.device
}

// syncMount asks the kernel to write back the mount's dirty pages: those of
// shared mappings, as all else reaches the daemon with the write itself. It makes
// system calls only: os.Open would poll, and a FUSE server that polls a file of
// its own may deadlock.
func syncMount(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.Syncfs(fd)
	time.Sleep(writebackTime)
	return err
}

// writebackTime is how long the pages that syncfs has the kernel write have to
// reach the daemon. Since Linux 6.16 sync no longer waits for those of FUSE.
const writebackTime = time.Second
