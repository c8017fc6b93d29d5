package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// hush keeps what is written to stdout and stderr until the returned function
// is called, which gives them back. librados writes to both when it cannot
// resolve a monitor's name (ceph: src/mon/MonMap.cc, with cout and cerr), beside
// the error that it returns, which a failure's one sentence tells.
func hush() (restore func() string, err error) {
	fd, err := unix.MemfdCreate("stdio", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	kept := os.NewFile(uintptr(fd), "stdio")
	var undo [2]func()
	for i, std := range []int{unix.Stdout, unix.Stderr} {
		if undo[i], err = divert(std, fd); err != nil {
			break
		}
	}
	restore = func() string {
		defer kept.Close()
		for _, f := range undo {
			if f != nil {
				f()
			}
		}
		// Reads from the start: the descriptors share their offset.
		text, _ := io.ReadAll(io.NewSectionReader(kept, 0, 1<<20))
		return strings.TrimSpace(string(text))
	}
	if err != nil {
		restore()
	}
	return restore, err
}

// divert makes descriptor from write to the file of to, until undo is called.
func divert(from, to int) (undo func(), err error) {
	saved, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.Dup3(to, from, 0); err != nil {
		_ = unix.Close(saved)
		return nil, err
	}
	return func() {
		_ = unix.Dup3(saved, from, 0)
		_ = unix.Close(saved)
	}, nil
}
