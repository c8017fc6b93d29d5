package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unmount takes the mount off path, with EBUSY while something is open.
func unmount(path string) error { return takeOff(path, 0, "-u") }

// detach takes the mount off path at once; what is open stays open.
func detach(path string) error { return takeOff(path, unix.MNT_DETACH, "-uz") }

// takeOff calls umount2(2) as root, and fusermount3 for other users.
func takeOff(path string, flags int, option string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(path, flags|unix.UMOUNT_NOFOLLOW)
	}
	helper, err := fusermount()
	if err != nil {
		return err
	}
	out, err := exec.Command(helper, option, path).CombinedOutput()
	if err == nil {
		return nil
	}
	// fusermount3 only writes the errno's text: "failed to unmount /mnt: Device
	// or resource busy".
	text := strings.TrimSpace(string(out))
	if strings.HasSuffix(text, "Device or resource busy") {
		return syscall.EBUSY
	}
	if text == "" {
		return err
	}
	return errors.New(text)
}
