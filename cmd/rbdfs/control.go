package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The words of the control socket: the daemon says hello to who connects, and
// in its end how the last flush went.
const (
	helloWord = "rbdfs"
	flushWord = "flushed"
)

// control is the daemon's end of the control socket: an abstract one, which
// leaves no file behind however the daemon ends, named after the mount's
// device and the process. Those who connect wait for the daemon's end, or hang
// up when the mount stays. A nil control does nothing.
type control struct {
	listener net.Listener
	mu       sync.Mutex // guards waiting
	waiting  map[net.Conn]struct{}
}

// controlPrefix begins the name of a mount's sockets; the process id follows.
func controlPrefix(device string) string { return "@rbdfs/" + device + "/" }

// listenControl makes the socket. Without one the mount works all the same, but
// "rbdfs umount" cannot wait for its flush.
func listenControl(device string, logger *slog.Logger) *control {
	if device == "" {
		return nil
	}
	listener, err := net.Listen("unix", controlPrefix(device)+strconv.Itoa(os.Getpid()))
	if err != nil {
		logger.Warn("no control socket: \"rbdfs umount\" will not wait for the last flush", "error", err)
		return nil
	}
	c := &control{listener: listener, waiting: map[net.Conn]struct{}{}}
	go c.accept()
	return c
}

// accept greets root and the daemon's own user, and leaves others alone: they
// could use up the process's descriptors. It ends with closing.
func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // EMFILE, ENOMEM: that passes
			time.Sleep(acceptPause)
		case !trusted(conn):
			_ = conn.Close()
		default:
			c.greet(conn)
		}
	}
}

// greet adds a connection to those that are told of the end, and drops it when
// its peer hangs up.
func (c *control) greet(conn net.Conn) {
	c.mu.Lock()
	c.waiting[conn] = struct{}{}
	c.mu.Unlock()
	// A few bytes fit the socket's buffer, so this does not wait.
	_, _ = fmt.Fprintln(conn, helloWord)
	go func() {
		// The peer never writes, so this returns when it is gone, or after finish.
		_, _ = io.Copy(io.Discard, conn)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, conn)
		_ = conn.Close()
	}()
}

// trusted tells whether the peer is root or this user.
func trusted(conn net.Conn) bool {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return err == nil && credErr == nil && (cred.Uid == 0 || int(cred.Uid) == os.Getuid())
}

// closing refuses further connections: the mount is gone, and its device number
// may soon be another's.
func (c *control) closing() {
	if c != nil {
		_ = c.listener.Close()
	}
}

// finish tells those who wait how the daemon ends.
func (c *control) finish(err error) {
	if c == nil {
		return
	}
	word := flushWord
	if err != nil && codeOf(err) != exitLeftDead {
		word = strings.Join(strings.Fields(err.Error()), " ")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.waiting {
		_, _ = fmt.Fprintln(conn, word)
		_ = conn.Close()
	}
}

// daemon is the other end: a mount's daemon as "rbdfs umount" sees it.
type daemon struct {
	pid  int
	conn net.Conn
	in   *bufio.Reader
}

// findDaemon connects to the daemon of a mount; nil when there is none to be
// found, as from another network namespace.
func findDaemon(device string) *daemon {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		name := fields[len(fields)-1]
		id, ours := strings.CutPrefix(name, controlPrefix(device))
		pid, err := strconv.Atoi(id)
		if !ours || err != nil {
			continue
		}
		if d := dialDaemon(name, pid); d != nil {
			return d
		}
	}
	return nil
}

// dialDaemon connects and waits for the greeting, so that the daemon knows of
// us before the mount goes.
func dialDaemon(name string, pid int) *daemon {
	conn, err := net.DialTimeout("unix", name, helloTime)
	if err != nil {
		return nil
	}
	d := &daemon{pid: pid, conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetReadDeadline(time.Now().Add(helloTime))
	if hello, err := d.in.ReadString('\n'); err != nil || strings.TrimSpace(hello) != helloWord {
		_ = conn.Close()
		return nil
	}
	_ = conn.SetReadDeadline(time.Time{})
	return d
}

// wait returns when the daemon has flushed everything, or could not.
func (d *daemon) wait() error {
	if d == nil {
		return nil
	}
	defer d.conn.Close()
	word, err := d.in.ReadString('\n')
	word = strings.TrimSpace(word)
	switch {
	case word == flushWord:
		return nil
	case word != "":
		return failf(exitFlush, "%s", word)
	case err == nil || errors.Is(err, io.EOF):
		return failf(exitFlush, "the daemon (pid %d) ended without saying that it flushed everything; check its log and the images", d.pid)
	default:
		return failf(exitFlush, "the daemon (pid %d) cannot be heard any more (%v); check its log and the images", d.pid, reason(err))
	}
}

// close gives up waiting.
func (d *daemon) close() {
	if d != nil {
		_ = d.conn.Close()
	}
}
