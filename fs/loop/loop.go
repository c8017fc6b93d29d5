package loop

/*
#cgo CFLAGS: -Wall -Wextra -Werror
#include "loop.h"

void rbdfsRedo(uintptr_t handle, char *data, size_t len, int error);
*/
import "C"

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/cgo"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// readers is how many threads wait for requests. While one of them begins a read or
// a write, another one takes the next.
const readers = 2

// memory is how many bytes of reads and writes are under way. One image has half of
// it at the most, and each some (share.h); of those over their share, requests wait.
const memory = 128 << 20

// most bounds the bytes of all requests, those that wait included, where the kernel
// hands them out in order: past it, it is the kernel that they wait in, for all images
// alike. A thread, or an asynchronous request, has 1 MiB at the most.
const most = 1 << 30

// mostHere is most, or less on a small machine.
func mostHere() uint64 {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 2 * memory
	}
	return max(2*memory, min(most, uint64(info.Totalram)*uint64(info.Unit)/4))
}

// Options say what the loop asks of others.
type Options struct {
	MaxIO  int // the most bytes of one read or write
	Logger *slog.Logger
	// GiveUp tells whether a request that was interrupted is to be answered with
	// EINTR, after its age. It is asked again every second.
	GiveUp func(node uint64, pid uint32, age time.Duration) bool
	// TimedOut tells what to answer for a request that the cluster has not answered
	// in time. It is not done again, since that would take as long once more.
	TimedOut func(node uint64) fuse.Status
	// Slow is told of the oldest request while that is older than half a minute,
	// once, and with age 0 when there is none any more.
	Slow func(node uint64, age time.Duration)
}

// Loop reads the kernel's requests and answers them. Its methods may overlap.
type Loop struct {
	opts     Options
	c        *C.struct_rbdfs_loop
	handle   cgo.Handle
	fd       int
	protocol *fuse.ProtocolServer
	flags    uint64
	receive  func() ([]byte, syscall.Errno) // next, but in tests
	outs     sync.Pool                      // *[]byte

	reading  sync.WaitGroup
	watching sync.WaitGroup // grows only while some are reading
	ended    chan struct{}  // closed when nobody reads any more

	mu   sync.Mutex           // guards the rest
	here map[uint64]time.Time // requests handled in Go, by the kernel's number, since when
	none sync.Cond            // here has become empty
}

// New makes a loop, so that gates can be made before it serves.
func New(opts Options) (*Loop, error) {
	l := &Loop{opts: opts, fd: -1, ended: make(chan struct{}), here: make(map[uint64]time.Time)}
	l.none.L = &l.mu
	l.receive = l.next
	l.handle = cgo.NewHandle(l)
	l.c = C.rbdfs_loop_new(C.size_t(opts.MaxIO), memory, C.size_t(mostHere()), C.rbdfs_redo(C.rbdfsRedo), C.uintptr_t(l.handle))
	if l.c == nil {
		return nil, errors.New("make the request loop: out of memory")
	}
	return l, nil
}

// Serve answers the kernel's requests on fd, a /dev/fuse that is mounted, by raw. It
// returns when the kernel has agreed on the protocol.
func (l *Loop) Serve(fd int, raw fuse.RawFileSystem, opts *fuse.MountOptions) error {
	l.fd = fd
	l.protocol = fuse.NewProtocolServer(raw, opts)
	msg, errno := l.next()
	if errno != 0 {
		return fmt.Errorf("read the kernel's first request: %w", errno)
	}
	var ok bool
	if l.flags, ok = initFlags(msg); !ok {
		l.free(msg)
		return errors.New("the kernel's first request is not FUSE_INIT")
	}
	l.begin(msg)
	l.respond(msg, l.answer)
	for range readers {
		l.reading.Go(l.read)
	}
	l.watching.Go(l.watchAge)
	l.watching.Go(func() { C.rbdfs_loop_dispatch(l.c) })
	l.watching.Go(l.drop)
	go l.end()
	return nil
}

// KernelFlags returns the capabilities that the kernel has offered.
func (l *Loop) KernelFlags() uint64 { return l.flags }

// Wait returns when the file system is unmounted and all requests are over that
// were handled in Go.
func (l *Loop) Wait() {
	l.reading.Wait()
	l.watching.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.here) > 0 {
		l.none.Wait()
	}
}

// Free ends the loop. It must have ended serving, or not begun, and have no gates.
func (l *Loop) Free() {
	l.Wait() // for what was begun in C until its gate was closed
	C.rbdfs_loop_free(l.c)
	l.handle.Delete()
}

// drop drops the requests that wait in C when nobody reads any more.
func (l *Loop) drop() {
	l.reading.Wait()
	C.rbdfs_loop_end(l.c)
}

// end interrupts what waits when nobody reads any more, until nothing does: what
// was read last may not have reached go-fuse yet.
func (l *Loop) end() {
	l.reading.Wait()
	close(l.ended)
	for {
		waiting := l.waiting()
		if len(waiting) == 0 {
			return
		}
		for _, unique := range waiting {
			l.interrupt(unique)
		}
		time.Sleep(checkEvery)
	}
}

// waiting returns the requests that are handled in Go.
func (l *Loop) waiting() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.here))
}

// hasEnded tells whether nobody reads any more.
func (l *Loop) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// next returns the next message that is not served in C.
func (l *Loop) next() ([]byte, syscall.Errno) {
	var m C.struct_rbdfs_message
	if r := C.rbdfs_loop_next(l.c, C.int(l.fd), &m); r != 0 {
		return nil, syscall.Errno(-r)
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(m.data)), m.len), 0
}

// free gives a message back.
func (l *Loop) free(msg []byte) {
	C.rbdfs_message_free((*C.char)(unsafe.Pointer(unsafe.SliceData(msg))))
}

// read serves until the file system is unmounted.
func (l *Loop) read() {
	waits := false
	for {
		msg, errno := l.receive()
		if errno == 0 {
			waits = false
			l.accept(msg)
			continue
		}
		switch after(errno) {
		case unmounted:
			return
		case never:
			l.opts.Logger.Error("requests of the kernel cannot be read any more", "error", errno)
			return
		}
		if !waits {
			waits = true
			l.opts.Logger.Error("a request of the kernel cannot be read now, and others wait", "error", errno)
		}
		time.Sleep(retryAfter)
	}
}

// retryAfter is how long a reader waits after an error that goes by.
const retryAfter = 100 * time.Millisecond

// What there is to do after an error of read(2) on /dev/fuse.
type verdict int

const (
	again     verdict = iota // it goes by
	unmounted                // nothing comes any more
	never                    // it would be the same again
)

// after judges an error of read(2) on /dev/fuse, by fs/fuse/dev.c:
//
//   - ENODEV after unmounting, and ECONNABORTED where the connection was aborted
//     (fuse_dev_do_read)
//   - EBADF for what is no open file, EPERM for a /dev/fuse that is not mounted, EINVAL
//     for a buffer that is smaller than was agreed on
//   - ENOMEM, of the kernel or of this process; EIO, EFAULT and all others belong to one
//     request, which the kernel itself has ended by then
//
// EINTR and ENOENT, a request that was taken back, do not come here: loop.c reads on.
func after(errno syscall.Errno) verdict {
	switch errno {
	case syscall.ENODEV, syscall.ECONNABORTED:
		return unmounted
	case syscall.EBADF, syscall.EPERM, syscall.EINVAL:
		return never
	}
	return again
}

// accept has a message handled.
func (l *Loop) accept(msg []byte) {
	if len(msg) >= headerSize && header(msg).Opcode == opInterrupt {
		l.watching.Go(func() { l.interrupted(msg) })
		return
	}
	l.begin(msg)
	go l.respond(msg, l.answer)
}

//export rbdfsRedo
func rbdfsRedo(handle C.uintptr_t, data *C.char, length C.size_t, errno C.int) {
	l := cgo.Handle(handle).Value().(*Loop)
	msg := unsafe.Slice((*byte)(unsafe.Pointer(data)), length)
	switch {
	case l.hasEnded(): // nobody waits for it, and nobody could interrupt it
		l.free(msg)
	case syscall.Errno(-errno) == syscall.ETIMEDOUT:
		l.begin(msg)
		go l.respond(msg, l.timedOut)
	default:
		l.accept(msg)
	}
}

// begin notes that a request is handled in Go.
func (l *Loop) begin(msg []byte) {
	if len(msg) >= headerSize {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.here[header(msg).Unique] = time.Now()
	}
}

// respond has one message answered and gives it back.
func (l *Loop) respond(msg []byte, answer func([]byte)) {
	if len(msg) < headerSize {
		l.opts.Logger.Error("the kernel sent a request that is too short", "bytes", len(msg))
		l.free(msg)
		return
	}
	unique := header(msg).Unique
	answer(msg)
	l.free(msg)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.here, unique)
	if len(l.here) == 0 {
		l.none.Broadcast()
	}
}

// answer has go-fuse handle a message, and writes the reply.
func (l *Loop) answer(msg []byte) {
	out := l.out(replySize(msg))
	defer l.outs.Put(out)
	n, status := l.protocol.HandleRequest([][]byte{msg}, [][]byte{*out})
	if n == 0 && status.Ok() {
		return // FUSE_FORGET and the like have no reply
	}
	if n == 0 {
		n = errorReply(*out, header(msg).Unique, status)
	}
	l.reply(msg, (*out)[:n])
}

// timedOut answers a message that took too long.
func (l *Loop) timedOut(msg []byte) {
	out := l.out(replyRoom)
	defer l.outs.Put(out)
	n := errorReply(*out, header(msg).Unique, l.opts.TimedOut(header(msg).NodeId))
	l.reply(msg, (*out)[:n])
}

// reply writes the reply to a message. For ENOENT, nobody waits for it any more.
func (l *Loop) reply(msg, out []byte) {
	if _, err := syscall.Write(l.fd, out); err != nil && err != syscall.ENOENT && err != syscall.ENODEV {
		l.opts.Logger.Error("a reply was refused by the kernel", "opcode", header(msg).Opcode, "error", err)
	}
}

// out returns a buffer of at least n bytes.
func (l *Loop) out(n int) *[]byte {
	out, _ := l.outs.Get().(*[]byte)
	if out == nil || len(*out) < n {
		fresh := make([]byte, n)
		out = &fresh
	}
	return out
}

// Totals are what was served in C.
type Totals struct {
	Reads, ReadBytes     uint64
	Writes, WrittenBytes uint64
	ReadTime, WriteTime  time.Duration // from the message to the reply, summed up
	Redone               uint64        // begun in C and ended in Go
}

// Totals returns what was served in C.
func (l *Loop) Totals() Totals {
	var t C.struct_rbdfs_totals
	C.rbdfs_loop_totals(l.c, &t)
	return Totals{
		Reads: uint64(t.reads), ReadBytes: uint64(t.read_bytes), ReadTime: time.Duration(t.read_ns),
		Writes: uint64(t.writes), WrittenBytes: uint64(t.written_bytes), WriteTime: time.Duration(t.write_ns),
		Redone: uint64(t.redone),
	}
}
