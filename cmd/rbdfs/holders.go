package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// holder is something that keeps a mount from being unmounted.
type holder struct {
	who   string   // "dd (pid 12)", "/dev/loop0", "a mount on /mnt/x"
	files []string // names below the mount, rootName for its root
}

// rootName stands for the mount's root directory.
const rootName = "the top directory"

// String is the holder and its files, for a message.
func (h holder) String() string {
	return h.who + ": " + strings.Join(h.files, ", ")
}

// mounted is a file system that is mounted, by what can be known of it without
// asking it: a stat of a mount whose daemon is busy with this very scan would
// never return.
type mounted struct {
	path   string // its mount point in this mount namespace
	device string // major:minor, "" when not known
}

// scanner finds the holders of a mount. It reads links and text below /proc and
// /sys, and makes no call that reaches the mount's daemon.
type scanner struct {
	proc, sys string // "/proc" and "/sys", but for tests
	mount     mounted
	// ids are the mount ids of the file system in each mount namespace, by the
	// namespace's name; filled as processes are met.
	mu  sync.Mutex // guards ids
	ids map[string][]int
	// mapsUntil is when no more mappings are read: each may cost mapsTime.
	mapsUntil time.Time
}

// findHolders returns who holds files of the mount open, as far as this user
// may know. Never the caller itself.
func findHolders(m mounted) []holder { return newScanner(m).scan(os.Getpid()) }

// newScanner makes a scanner of this machine.
func newScanner(m mounted) *scanner {
	return &scanner{proc: "/proc", sys: "/sys", mount: m, ids: map[string][]int{}, mapsUntil: time.Now().Add(scanTime)}
}

// scan looks at processes, loop devices and mounts, all but process self.
func (s *scanner) scan(self int) []holder {
	var found []holder
	stuck := 0
	entries, _ := os.ReadDir(s.proc)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == self {
			continue
		}
		files, err := s.soon(filepath.Join(s.proc, e.Name()))
		if err != nil {
			if stuck++; stuck > mostStuck {
				break
			}
		}
		if len(files) > 0 {
			found = append(found, holder{who: fmt.Sprintf("%s (pid %d)", s.command(e.Name()), pid), files: files})
		}
	}
	found = append(found, s.loops()...)
	return append(found, s.mounts()...)
}

// soon is process, but gives up after a time: a process that waits in execve(2), for
// the close of a file on a cluster that is away above all, keeps everyone from
// looking at it (fs/exec.c: exec_update_lock).
func (s *scanner) soon(dir string) ([]string, error) {
	return within(processTime, func() ([]string, error) { return s.process(dir), nil })
}

// command is a process's short name.
func (s *scanner) command(pid string) string {
	comm, err := os.ReadFile(filepath.Join(s.proc, pid, "comm"))
	if err != nil {
		return "a process"
	}
	return strings.TrimSpace(string(comm))
}

// loops are the loop devices whose file the kernel itself keeps open.
func (s *scanner) loops() []holder {
	var found []holder
	backing, _ := filepath.Glob(filepath.Join(s.sys, "block/loop*/loop/backing_file"))
	for _, file := range backing {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if name, ok := s.below(strings.TrimSuffix(string(text), "\n")); ok {
			device := filepath.Base(filepath.Dir(filepath.Dir(file)))
			found = append(found, holder{who: "/dev/" + device, files: []string{name}})
		}
	}
	return found
}

// mounts are those on a directory or file below the mount.
func (s *scanner) mounts() []holder {
	var found []holder
	mounts, _ := readMountsOf(filepath.Join(s.proc, "self"))
	for _, m := range mounts {
		if name, ok := s.below(m.path); ok && name != rootName {
			found = append(found, holder{who: "a mount of " + m.fstype, files: []string{name}})
		}
	}
	return found
}

// below returns the part of path that lies in the mount.
func (s *scanner) below(path string) (string, bool) {
	path = strings.TrimSuffix(path, " (deleted)")
	if path == s.mount.path {
		return rootName, true
	}
	return strings.CutPrefix(path, strings.TrimSuffix(s.mount.path, "/")+"/")
}

// holderText joins holders for a message.
func holderText(holders []holder) string {
	if len(holders) == 0 {
		return "no process that this user may look into"
	}
	text := make([]string, len(holders))
	for i, h := range holders {
		text[i] = h.String()
	}
	return strings.Join(text, "; ")
}

// sorted removes duplicates.
func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
