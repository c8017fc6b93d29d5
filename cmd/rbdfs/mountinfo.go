package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mountType is the type of our mounts, as in /proc/self/mountinfo.
const mountType = "fuse.rbdfs"

// mountPoint is a line of mountinfo (proc_pid_mountinfo(5)).
type mountPoint struct {
	id     int
	device string // major:minor, one for each file system that is mounted
	root   string // of the mount within its file system: "/" but for bind mounts
	path   string // where it is mounted
	fstype string
	source string
}

// readMounts returns the mounts that this process sees, later ones lying over
// earlier ones: those below its root, so that in a chroot "/" itself may be
// missing. It reads text and touches no mount.
func readMounts() ([]mountPoint, error) {
	mounts, err := readMountsOf("/proc/self")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitInternal, "/proc is not mounted, which tells what is; do that with \"mount -t proc proc /proc\"")
	}
	return mounts, err
}

// readMountsOf returns the mounts that the process in dir (/proc/PID) sees.
func readMountsOf(dir string) ([]mountPoint, error) {
	f, err := os.Open(filepath.Join(dir, "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f)
}

// parseMounts reads lines such as
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMounts(r io.Reader) ([]mountPoint, error) {
	var mounts []mountPoint
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // overlay mounts have long lines
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 6 || len(right) < 2 {
			return nil, fmt.Errorf("mountinfo line %q", lines.Text())
		}
		id, err := strconv.Atoi(left[0])
		if err != nil {
			return nil, fmt.Errorf("mountinfo line %q", lines.Text())
		}
		mounts = append(mounts, mountPoint{
			id: id, device: left[2], root: unescape(left[3]), path: unescape(left[4]),
			fstype: right[0], source: unescape(right[1]),
		})
	}
	return mounts, lines.Err()
}

// unescape undoes mountinfo's escapes: three octal digits after a backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountAt returns the uppermost mount on path.
func mountAt(mounts []mountPoint, path string) (mountPoint, bool) {
	for i := len(mounts) - 1; i >= 0; i-- {
		if mounts[i].path == path {
			return mounts[i], true
		}
	}
	return mountPoint{}, false
}
