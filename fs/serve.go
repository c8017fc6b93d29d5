package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/fs/loop"
	"rbdfs/rbdio"
)

// DataPath says which way reads and writes of open files go.
type DataPath string

// The values of DataPath.
const (
	DataPathC  DataPath = "c"  // those of images past Go, by package loop
	DataPathGo DataPath = "go" // all by go-fuse's server
)

// transport is what carries the kernel's requests to the nodes: package loop, or
// go-fuse's server.
type transport interface {
	// Wait returns when the file system is unmounted.
	Wait()
}

// serve mounts and serves the node tree of m.
func serve(m *mount) (transport, error) {
	o := options(m)
	fd, err := loop.Mount(m.conf.Dir, &o.MountOptions)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", m.conf.Dir, err)
	}
	raw := &syncWrites{&forgets{fusefs.NewNodeFS(&rootNode{mount: m}, o), &m.ids}}
	t, flags, err := m.carry(fd, raw, &o.MountOptions)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve %s: %w", m.conf.Dir, err), unmount(m.conf.Dir, syscall.MNT_DETACH))
	}
	// Linux 6.6 brought this capability, and the dropping of cached pages.
	m.directWrites.Store(flags&fuse.CAP_DIRECT_IO_ALLOW_MMAP != 0)
	return t, nil
}

// carry begins to answer requests on fd, and returns the capabilities that the
// kernel has offered.
func (m *mount) carry(fd int, raw fuse.RawFileSystem, o *fuse.MountOptions) (transport, uint64, error) {
	if m.loop != nil {
		err := m.loop.Serve(fd, raw, o)
		return m.loop, m.loop.KernelFlags(), err
	}
	mounted := *o
	mounted.DirectMount = false // it would mount once more, on the device
	server, err := fuse.NewServer(raw, fmt.Sprintf("/dev/fd/%d", fd), &mounted)
	if err != nil {
		return nil, 0, err
	}
	go server.Serve()
	return server, server.KernelSettings().Flags64(), nil
}

// newLoop makes the loop of the mount, if reads and writes are to go that way.
func newLoop(m *mount) (*loop.Loop, error) {
	if m.conf.DataPath == DataPathGo {
		return nil, nil
	}
	return loop.New(loop.Options{
		MaxIO:  maxIO,
		Logger: m.log,
		GiveUp: func(node uint64, pid uint32, age time.Duration) bool { return m.givesUp(m.ids.file(node), pid, age) },
		TimedOut: func(node uint64) fuse.Status {
			return fuse.Status(m.errno(rbdio.Errorf(syscall.ETIMEDOUT, "read or write an open image"), m.ids.file(node)))
		},
		Slow: m.slow,
	})
}

// gate returns the gate of an image's file, or nil.
func (m *mount) gate(imageID string) rbdio.Gate {
	ino, err := m.ids.inode(imageID, "")
	if err != nil {
		return nil // nobody can open it either
	}
	return m.loop.Gate(ino)
}

// slow logs that requests have waited for long, and that they do no more.
func (m *mount) slow(node uint64, age time.Duration) {
	if age == 0 {
		m.log.Info("the cluster answers again")
		return
	}
	m.log.Warn("requests wait: the cluster does not answer", "oldest", age.Round(time.Second), "image", m.ids.file(node))
}

// logTotals tells what has gone past Go, and what the kernel had not forgotten.
func (m *mount) logTotals() {
	nodes, images := m.ids.size()
	m.log.Debug("files that the kernel knew at the end", "files", nodes, "of images", images)
	if m.loop == nil {
		return
	}
	t := m.loop.Totals()
	m.log.Debug("reads and writes past Go", "reads", t.Reads, "bytes read", t.ReadBytes, "read time", t.ReadTime,
		"writes", t.Writes, "bytes written", t.WrittenBytes, "write time", t.WriteTime, "redone", t.Redone)
}

// maxIO is the most bytes of one read or write: the kernel's usual limit, where
// go-fuse's default is 128 KiB.
const maxIO = 1 << 20

// maxBackground is how many asynchronous requests (read-ahead, libaio, io_uring, pieces of
// a large O_DIRECT request) are out at once, of all images together: one more waits in
// the kernel, and its caller is not even killed by SIGKILL. So it is the most there is,
// a field of 16 bits in FUSE_INIT: those of an image that is stuck must not use it up. What is out
// at once is bounded by fs.aio-max-nr and package loop's memory instead. Without
// CAP_SYS_ADMIN the kernel takes no more than fs.fuse max_user_bgreq (fs/fuse/inode.c:
// process_init_limits). go-fuse's default is 12.
const maxBackground = 1<<16 - 1

// syncWrites answers a write(2) of a file opened with O_SYNC or O_DSYNC, or one
// with RWF_DSYNC, after an fsync. The kernel sends that itself for a cached file,
// but not for one that is open past the cache (fs/fuse/file.c:
// fuse_direct_write_iter); it gives the flags with each write, which go-fuse's
// nodes do not see.
type syncWrites struct{ fuse.RawFileSystem }

// Write answers write(2).
func (s *syncWrites) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, status := s.RawFileSystem.Write(cancel, in, data)
	return n, s.synced(cancel, in, status)
}

// Writev answers write(2) of data in several pieces.
func (s *syncWrites) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	n, status := s.RawFileSystem.Writev(cancel, in, data)
	return n, s.synced(cancel, in, status)
}

// synced flushes after a write that asks for it and went well.
func (s *syncWrites) synced(cancel <-chan struct{}, in *fuse.WriteIn, status fuse.Status) fuse.Status {
	if status != fuse.OK || in.Flags&(syscall.O_SYNC|syscall.O_DSYNC) == 0 {
		return status
	}
	return s.Fsync(cancel, &fuse.FsyncIn{InHeader: in.InHeader, Fh: in.Fh})
}

// Kernel capabilities that go-fuse does not ask for by itself.
const extraCapabilities = fuse.CAP_ASYNC_DIO | // a large O_DIRECT request goes out in parallel pieces
	fuse.CAP_DIRECT_IO_ALLOW_MMAP | // mmap of a file opened with O_DIRECT
	fuse.CAP_READDIRPLUS_AUTO | // ls alone asks for names, ls -l for names and attributes together
	fuse.CAP_HANDLE_KILLPRIV_V2 // no getxattr of security.capability before each write: setuid bits are never kept

// options are go-fuse's, each with its reason. There is no EntryTimeout: nodes say
// how long a name is good for, and go-fuse would take that for their 0.
func options(m *mount) *fusefs.Options {
	timeout := fresh
	var never time.Duration
	logger := slog.NewLogLogger(m.log.Handler(), slog.LevelDebug)
	o := &fusefs.Options{
		AttrTimeout:     &timeout,
		NegativeTimeout: &never, // a new image shows at once
		NullPermissions: true,   // mode 0 is a mode
		RootStableAttr:  &fusefs.StableAttr{Ino: rootIno},
		ExternalNodeID:  true, // package loop knows a file by its inode number
		Logger:          logger,
		MountOptions: fuse.MountOptions{
			AllowOther:        m.conf.AllowOther,
			FsName:            "rbd:" + m.conf.Source,
			Name:              "rbdfs",
			MaxWrite:          maxIO,
			MaxBackground:     maxBackground,
			DirectMount:       os.Geteuid() == 0,
			DirectMountFlags:  syscall.MS_NOSUID | syscall.MS_NODEV,
			Options:           []string{"default_permissions"},
			ExtraCapabilities: extraCapabilities,
			Debug:             m.conf.Debug,
			Logger:            logger,
			PanicHandler:      m.panicked,
		},
	}
	if m.conf.ReadOnly {
		o.DirectMountFlags |= syscall.MS_RDONLY
		if !o.DirectMount {
			o.MountOptions.Options = append(o.MountOptions.Options, "ro")
		}
	}
	return o
}

// panicked answers a request whose handler panicked: this one fails, and the
// other files stay served.
func (m *mount) panicked(reason any) fuse.Status {
	m.log.Error("a bug in rbdfs: a request panicked; please report this", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	return fuse.EIO
}

// readAheadKiB is the read-ahead of the mount, in KiB. The kernel caps what FUSE
// asks for at 128; as root it can be raised through sysfs. cp has the kernel double
// it, and what it reads of a hole is copied, too. Measured with 1 GiB, alone and in
// pieces of 4 MiB between holes: dd 1.28, 1.15 and 1.11 s and cp of the pieces 2.2,
// 2.5 and 2.9 s for 1, 2 and 4 MiB; dd of four times that with 128 KiB.
const readAheadKiB = 2048

// raiseReadAhead raises the read-ahead of the mount at dir, where that is
// allowed. It finds the device in mountinfo, since a stat of its own mount can
// deadlock a FUSE server.
func raiseReadAhead(dir string, logger *slog.Logger) {
	dev, err := deviceOf(dir)
	if err == nil {
		path := filepath.Join("/sys/class/bdi", dev, "read_ahead_kb")
		err = os.WriteFile(path, fmt.Append(nil, readAheadKiB), 0)
	}
	if err != nil {
		logger.Debug("the kernel's read-ahead stays at its default", "error", err)
	}
}

// deviceOf returns the major:minor of the newest mount at dir.
func deviceOf(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	dev := ""
	for line := range strings.Lines(string(text)) {
		// proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, ...
		if f := strings.Fields(line); len(f) > 4 && unescapeMount(f[4]) == dir {
			dev = f[2]
		}
	}
	if dev == "" {
		return "", fmt.Errorf("%s is not in mountinfo", dir)
	}
	return dev, nil
}

// unescapeMount undoes the octal escapes of proc_pid_mountinfo(5).
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// unmount takes the mount at dir out of the tree: as root by umount2(2), else by
// fusermount3.
func unmount(dir string, flags int) error {
	err := syscall.Unmount(dir, flags)
	if !errors.Is(err, syscall.EPERM) {
		return err
	}
	args := []string{"-u", dir}
	if flags&syscall.MNT_DETACH != 0 {
		args = []string{"-u", "-z", dir}
	}
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "busy") {
		return syscall.EBUSY
	}
	if err != nil {
		return fmt.Errorf("fusermount3: %s", strings.TrimSpace(string(out)))
	}
	return nil
}
