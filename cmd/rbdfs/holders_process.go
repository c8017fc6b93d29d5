package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// process returns the files of the mount that the process in dir (/proc/PID)
// holds: open ones, its working directory, root and program, and mappings.
func (s *scanner) process(dir string) []string {
	var files []string
	for _, link := range []string{"cwd", "root", "exe"} {
		if name, ok := s.link(filepath.Join(dir, link)); ok {
			files = append(files, name)
		}
	}
	files = append(files, s.openFiles(dir)...)
	files = append(files, s.mappings(dir)...)
	return sorted(files)
}

// openFiles returns what the process has descriptors of. A path tells that for
// those in our mount namespace. A container has the mount elsewhere, and then
// the descriptor's mount id tells.
func (s *scanner) openFiles(dir string) []string {
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil // gone, or another user's
	}
	var files []string
	ids := s.mountIDs(dir)
	for _, fd := range fds {
		path, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
		if err != nil || !strings.HasPrefix(path, "/") {
			continue // sockets and pipes have no path
		}
		if name, ok := s.below(path); ok {
			files = append(files, name)
		} else if len(ids) > 0 && slices.Contains(ids, mountID(filepath.Join(dir, "fdinfo", fd.Name()))) {
			files = append(files, filepath.Base(path))
		}
	}
	return files
}

// link reads a link of /proc, which does not follow it.
func (s *scanner) link(path string) (string, bool) {
	target, err := os.Readlink(path)
	if err != nil {
		return "", false
	}
	return s.below(target)
}

// mappings returns the mapped files. A line of maps has the file's device
// before its path (proc_pid_maps(5)).
func (s *scanner) mappings(dir string) []string {
	if time.Now().After(s.mapsUntil) {
		return nil
	}
	// A process in a page fault that waits for some mount, not only this one,
	// keeps its maps from being read.
	text, err := within(mapsTime, func() ([]byte, error) { return os.ReadFile(filepath.Join(dir, "maps")) })
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		slash := strings.Index(line, "/")
		if len(fields) < 6 || slash < 0 {
			continue
		}
		path := unescape(strings.TrimSuffix(line[slash:], "\n"))
		if name, ok := s.below(path); ok {
			files = append(files, name)
		} else if s.mount.device != "" && sameDevice(fields[3], s.mount.device) {
			files = append(files, filepath.Base(path))
		}
	}
	return files
}

// sameDevice compares maps' hexadecimal major:minor with mountinfo's decimal.
func sameDevice(hexadecimal, decimal string) bool {
	hexMajor, hexMinor, _ := strings.Cut(hexadecimal, ":")
	major, minor, _ := strings.Cut(decimal, ":")
	return sameNumber(hexMajor, major) && sameNumber(hexMinor, minor)
}

// sameNumber compares a hexadecimal number with a decimal one.
func sameNumber(hexadecimal, decimal string) bool {
	h, err1 := strconv.ParseUint(hexadecimal, 16, 32)
	d, err2 := strconv.ParseUint(decimal, 10, 32)
	return err1 == nil && err2 == nil && h == d
}

// mountIDs returns the ids of the mounts of our file system in the process's
// mount namespace.
func (s *scanner) mountIDs(dir string) []int {
	namespace, err := os.Readlink(filepath.Join(dir, "ns/mnt"))
	if err != nil || s.mount.device == "" {
		return nil
	}
	s.mu.Lock()
	ids, ok := s.ids[namespace]
	s.mu.Unlock()
	if ok {
		return ids
	}
	mounts, _ := readMountsOf(dir)
	for _, m := range mounts {
		if m.device == s.mount.device {
			ids = append(ids, m.id)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[namespace] = ids
	return ids
}

// mountID returns the mnt_id of a descriptor (proc_pid_fdinfo(5)), -1 when
// there is none.
func mountID(fdinfo string) int {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			if id, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return id
			}
		}
	}
	return -1
}
