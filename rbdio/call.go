package rbdio

import (
	"sync"
	"syscall"
)

// Call is one request that changes a file and may be given up before it is over; nil is
// one that never is. What has not begun by then never begins. What has begun may have
// its effect, and is over before anything newer changes the file: a program that was
// told EINTR, and writes again, is not to find its older write over the newer one.
type Call struct {
	mu      sync.Mutex // guards all that follows; taken after a File's mu
	gone    bool       // given up
	running *File      // whose image a step of it changes now
	counted bool       // in running.late
}

// GiveUp keeps the call from beginning anything more, and what is newer from beginning
// before that which has begun.
func (c *Call) GiveUp() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.gone = true
	f := c.running
	c.mu.Unlock()
	if f != nil {
		f.abandon(c)
	}
}

// begin begins one step of the call; EINTR when it was given up. File.mu is held.
func (c *Call) begin(f *File) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return Errorf(syscall.EINTR, "change image %s for a request that was given up", f.id)
	}
	c.running = f
	return nil
}

// goesOn is an error when the call was given up since begin.
func (c *Call) goesOn(f *File) error { return c.begin(f) }

// end ends the step. File.mu is held.
func (c *Call) end(f *File) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counted {
		f.late--
		f.openGateLocked()
		f.changed.Broadcast()
	}
	c.running, c.counted = nil, false
}

// abandon has all that is newer wait for a step that is under way, unless it is over.
func (f *File) abandon(c *Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == f && !c.counted {
		c.counted = true
		f.late++
		f.gate.Shut()
	}
}

// Changes are the other calls of a handle that change its file, for one request.
type Changes struct {
	h    *Handle
	call *Call
}

// For returns the handle's changing calls for a request that may be given up.
func (h *Handle) For(call *Call) Changes { return Changes{h, call} }

// Zero is Handle.Zero; EINTR.
func (c Changes) Zero(fileOff, length uint64) error {
	return c.h.change(func() error { return c.h.file.zero(c.call, fileOff, length) })
}

// Extend is Handle.Extend; EINTR.
func (c Changes) Extend(end uint64) error {
	return c.h.change(func() error { return c.h.file.extend(c.call, end) })
}

// Truncate is Handle.Truncate; EINTR.
func (c Changes) Truncate(size uint64) error {
	return c.h.change(func() error { return c.h.file.truncate(c.call, size) })
}

// CopyFrom is Handle.CopyRange to this file; EINTR, also after a part.
func (c Changes) CopyFrom(src *Handle, fileOff, dstOff, length uint64) (copied uint64, err error) {
	err = src.do(func() error {
		return c.h.change(func() (err error) {
			copied, err = src.file.copyRange(fileOff, c.call, c.h.file, dstOff, length)
			return err
		})
	})
	return copied, err
}
