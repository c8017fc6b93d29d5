package harness

import (
	"errors"
	"io"
	"os/exec"
	"syscall"
)

// janitor cleans up after this process should it end without doing so itself:
// by SIGKILL, a panic or a test's time limit. It is a shell that reads from a
// pipe, whose other end no other process has. A line dismisses it; the end of
// the pipe has it run its script.
type janitor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// detachScript removes a mount and its directory.
const detachScript = `umount -l "$1"; rmdir "$1"`

// Scripts that end the use of a cluster: that of this process, whose daemons die
// with it, or another's.
const (
	removeFoldersScript = `rm -rf "$1" "$2"`
	removePoolScript    = `rm -rf "$1"; ceph --conf "$2" --connect-timeout 20 osd pool rm "$3" "$3" --yes-i-really-really-mean-it`
)

// hire starts a janitor with a script and its arguments.
func hire(script string, args ...string) (*janitor, error) {
	argv := append([]string{"-c", "read line && exit 0; " + script, "janitor"}, args...)
	cmd := exec.Command("sh", argv...)
	// Out of reach of Ctrl-C, which ends this process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &janitor{cmd: cmd, pipe: pipe}, cmd.Start()
}

// dismiss ends the janitor without its script.
func (j *janitor) dismiss() error {
	_, err := io.WriteString(j.pipe, "done\n")
	return errors.Join(err, j.pipe.Close(), j.cmd.Wait())
}
