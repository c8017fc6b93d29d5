package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// readiness is the daemon's end of the pipe to the process that started it. A
// nil readiness is that of a mount in the foreground.
type readiness struct{ pipe *os.File }

// readyPipe returns the pipe of a daemon, nil in the foreground.
func readyPipe() *readiness {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil {
		return nil
	}
	// Not for fusermount3 and others that this process starts.
	_ = os.Unsetenv(readyVariable)
	unix.CloseOnExec(fd)
	return &readiness{pipe: os.NewFile(uintptr(fd), "ready")}
}

// tell lets go of the terminal and of the working directory, and tells the
// parent that the pool is mounted. What is still written to stdout and stderr
// goes to the log.
func (r *readiness) tell(log logTarget) error {
	if r == nil {
		return nil
	}
	defer r.pipe.Close()
	if err := log.adopt(); err != nil {
		return err
	}
	// A relative path in CEPH_ARGS has to stay right for later connections.
	if os.Getenv("CEPH_ARGS") == "" {
		if err := os.Chdir("/"); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(r.pipe, readyWord)
	return err
}
