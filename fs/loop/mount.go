package loop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Mount opens /dev/fuse and mounts it on dir, by mount(2) where that is allowed and
// else by fusermount3. It returns the descriptor, on which nobody answers yet.
func Mount(dir string, opts *fuse.MountOptions) (fd int, err error) {
	if opts.DirectMount {
		fd, err = mountDirect(dir, opts)
		if !errors.Is(err, syscall.EPERM) {
			return fd, err
		}
	}
	return mountBySuid(dir, opts)
}

// mountDirect mounts by mount(2).
func mountDirect(dir string, opts *fuse.MountOptions) (int, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return -1, err
	}
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/fuse: %w", err)
	}
	data := []string{
		fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d", fd, st.Mode&syscall.S_IFMT, os.Geteuid(), os.Getegid()),
		fmt.Sprintf("max_read=%d", opts.MaxWrite),
	}
	data = append(data, opts.Options...)
	if opts.AllowOther {
		data = append(data, "allow_other")
	}
	err = syscall.Mount(opts.FsName, dir, "fuse."+opts.Name, opts.DirectMountFlags, strings.Join(data, ","))
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountBySuid has fusermount3 mount, which passes the descriptor back through a
// socket (libfuse: util/fusermount.c: send_fd).
func mountBySuid(dir string, opts *fuse.MountOptions) (int, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return -1, err
	}
	defer ours.Close()
	defer theirs.Close()
	cmd := exec.Command(fusermount(), "-o", suidOptions(opts), "--", dir)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	if out, err := cmd.CombinedOutput(); err != nil {
		return -1, fmt.Errorf("fusermount3: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return receiveFD(ours)
}

// fusermount is where fusermount3 is: in PATH, or else in /bin.
func fusermount() string {
	if path, err := exec.LookPath("fusermount3"); err == nil {
		return path
	}
	return "/bin/fusermount3"
}

// suidOptions are the options of fusermount3, in which commas and backslashes of a
// value are escaped.
func suidOptions(opts *fuse.MountOptions) string {
	list := append([]string{
		"fsname=" + opts.FsName,
		"subtype=" + opts.Name,
		fmt.Sprintf("max_read=%d", opts.MaxWrite),
	}, opts.Options...)
	if opts.AllowOther {
		list = append(list, "allow_other")
	}
	for i, o := range list {
		list[i] = strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(o)
	}
	return strings.Join(list, ",")
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "fusermount3"), os.NewFile(uintptr(fds[1]), "fusermount3"), nil
}

// receiveFD receives one descriptor.
func receiveFD(from *os.File) (int, error) {
	var data [4]byte
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(from.Fd()), data[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.New("fusermount3 has passed no descriptor")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("fusermount3 has passed no descriptor")
	}
	return fds[0], nil
}
