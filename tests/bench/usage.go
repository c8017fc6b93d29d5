package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// usage is what the kernel says of a process.
type usage struct {
	cpu     time.Duration // user and system
	threads int
	rss     int64 // bytes now
	peak    int64 // bytes, the most there has been
}

// usageOf reads it; the zero value for pid 0.
func usageOf(pid int) (usage, error) {
	if pid == 0 {
		return usage{}, nil
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(stat), string(status))
}

// parseUsage reads /proc/PID/stat and /proc/PID/status (proc(5)).
func parseUsage(stat, status string) (usage, error) {
	// The second field, the program's name, may hold spaces and brackets.
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 18 {
		return usage{}, fmt.Errorf("/proc/PID/stat: %q", stat)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	threads, err3 := strconv.Atoi(f[17])
	u := usage{cpu: time.Duration(user+system) * tick, threads: threads}
	for line := range strings.Lines(status) {
		switch f := strings.Fields(line); {
		case len(f) == 3 && f[0] == "VmRSS:":
			u.rss = kib(f[1])
		case len(f) == 3 && f[0] == "VmHWM:":
			u.peak = kib(f[1])
		}
	}
	return u, errors.Join(err1, err2, err3)
}

// kib is a number of KiB in bytes.
func kib(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n << 10
}

// filesOf counts the descriptors of a process.
func filesOf(pid int) int {
	entries, _ := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	return len(entries)
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r) // does not fail
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
