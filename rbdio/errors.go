package rbdio

import (
	"errors"
	"fmt"
	"syscall"
)

// Error is what a pool or an image answers when it refuses or fails. The file
// system turns Errno into the errno that its user gets, by one table
// (fs.toErrno); the text goes to the log.
type Error struct {
	Op    string        // the call and its object: `resize "vm1" to 4096 bytes`
	Errno syscall.Errno // what librbd or librados answered, positive
	Why   string        // a reason in words, where the errno alone does not say
}

// Error gives the call, its object and the reason.
func (e *Error) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("%s: %s", e.Op, e.Why)
	}
	return fmt.Sprintf("%s: %s", e.Op, e.Errno.Error())
}

// Unwrap lets errors.Is compare with a syscall.Errno.
func (e *Error) Unwrap() error { return e.Errno }

// Errorf returns an Error for errno, its call described by a format.
func Errorf(errno syscall.Errno, format string, args ...any) *Error {
	return &Error{Op: fmt.Sprintf(format, args...), Errno: errno}
}

// Fenced is the errno of a client that the cluster has blocklisted: librados'
// EBLOCKLISTED.
const Fenced = syscall.ESHUTDOWN

// IsFenced tells whether err came from a blocklisted connection.
func IsFenced(err error) bool { return errors.Is(err, Fenced) }
