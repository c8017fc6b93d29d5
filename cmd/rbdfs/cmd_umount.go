package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// umountCmd is "rbdfs umount".
type umountCmd struct {
	Dir string `arg:"" help:"Where the pool is mounted."`
}

// Run unmounts, and waits for the daemon to have flushed everything.
func (c *umountCmd) Run(out console) error {
	path, err := resolveDir(c.Dir)
	if err != nil {
		return failf(exitNotRbdfs, "%q is not a mount of rbdfs (%v); \"findmnt -t %s\" lists those", c.Dir, err, mountType)
	}
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	m, ok := mountAt(mounts, path)
	if !ok || m.fstype != mountType {
		return failf(exitNotRbdfs, "%q is not a mount of rbdfs; \"findmnt -t %s\" lists those", path, mountType)
	}
	server := findDaemon(m.device)
	if err := unmount(path); err != nil {
		server.close()
		return umountFailure(m, err)
	}
	patience := time.AfterFunc(reportEvery, func() {
		fmt.Fprintf(out.stderr, "rbdfs: %q is unmounted; waiting for its daemon (pid %d) to flush\n", path, server.pid)
	})
	defer patience.Stop()
	return server.wait()
}

// umountFailure says why a mount is still there.
func umountFailure(m mountPoint, err error) error {
	switch {
	case errors.Is(err, syscall.EBUSY):
		holders := findHolders(mounted{path: m.path, device: m.device})
		return failf(exitBusy, "%q is in use by %s; close the files and try again", m.path, holderText(holders))
	case errors.Is(err, syscall.EPERM):
		return failf(exitUmountRefused, "%q may not be unmounted by this user; do it as root", m.path)
	default:
		return failf(exitUmountRefused, "%q cannot be unmounted (%v); try \"umount %s\" as root", m.path, reason(err), m.path)
	}
}
