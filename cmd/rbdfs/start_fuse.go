package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Places that libfuse has compiled in.
const (
	fuseDevice = "/dev/fuse"
	fuseConf   = "/etc/fuse.conf"
)

// checkFuse answers whether this user can mount by FUSE at all.
func checkFuse(allowOther bool) error {
	if err := checkDevice(fuseDevice); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := fusermount(); err != nil {
		return failf(exitFusermount, "fusermount3 is missing, which a user other than root needs to mount; install the package fuse3 or run rbdfs as root")
	}
	if allowOther && !userAllowOther(fuseConf) {
		return failf(exitFuseConf, "--allow-other needs the line user_allow_other in %s; add it or run rbdfs as root", fuseConf)
	}
	return nil
}

// fusermount finds fusermount3 where go-fuse does: in PATH, else in /bin.
func fusermount() (string, error) {
	if path, err := exec.LookPath("fusermount3"); err == nil {
		return path, nil
	}
	return exec.LookPath("/bin/fusermount3")
}

// checkDevice opens the FUSE device for a moment. Opening has no effect until
// something is mounted with it.
func checkDevice(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return failf(exitFuseMissing, "%s is missing; load the kernel module with \"modprobe fuse\", or pass the device into the container", path)
	case errors.Is(err, fs.ErrPermission):
		return failf(exitFuseMissing, "%s cannot be opened by this user; run rbdfs as root, allow the device in the container, or ask for mode 0666 on it", path)
	default:
		return failf(exitFuseMissing, "%s cannot be opened (%v); FUSE must work before rbdfs can mount", path, reason(err))
	}
}

// userAllowOther tells whether fuse.conf lets users mount for others
// (fuse(8)). A file that cannot be read does not.
func userAllowOther(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}
