package loop

/*
#include "loop.h"
*/
import "C"

import (
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// interruptIn is struct fuse_interrupt_in, with its header.
type interruptIn struct {
	fuse.InHeader
	Unique uint64 // of the request that was interrupted
}

// message returns the interrupt as a message.
func (in *interruptIn) message() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(in)), unsafe.Sizeof(*in))
}

// interrupted handles a FUSE_INTERRUPT: of a request in C, of one in Go, or of one
// that is just between being read and being begun. For that go-fuse answers EAGAIN,
// and the kernel asks again (fs/fuse/dev.c: fuse_dev_do_write).
func (l *Loop) interrupted(msg []byte) {
	defer l.free(msg)
	in, ok := body[interruptIn](msg)
	if !ok {
		l.opts.Logger.Error("the kernel sent an interrupt that is too short", "bytes", len(msg))
		return
	}
	if _, inC := l.find(in.Unique); inC {
		own := *in
		l.watching.Go(func() { l.await(&own) })
		return
	}
	l.answer(msg)
}

// interrupt tells go-fuse that a request was interrupted.
func (l *Loop) interrupt(unique uint64) {
	in := &interruptIn{Unique: unique}
	in.Length, in.Opcode = uint32(unsafe.Sizeof(*in)), opInterrupt
	out := make([]byte, replyRoom)
	l.protocol.HandleRequest([][]byte{in.message()}, [][]byte{out}) // EAGAIN when it is over
}

// checkEvery is how often an interrupted request is looked at, and watchEvery how
// often all of them are.
const (
	checkEvery = time.Second
	watchEvery = 5 * time.Second
	slowAge    = 30 * time.Second
)

// await ends an interrupted request in C if that is to be. When the request is not
// there any more, it may go on in Go, or be on its way, and the interrupt with it.
func (l *Loop) await(in *interruptIn) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		info, inC := l.find(in.Unique)
		switch {
		case !inC:
			l.answer(in.message())
			return
		case l.opts.GiveUp(uint64(info.node), uint32(info.pid), time.Duration(info.age)):
			C.rbdfs_loop_give_up(l.c, C.uint64_t(in.Unique))
			return
		}
		select {
		case <-tick.C:
		case <-l.ended:
			return
		}
	}
}

// find finds a request in C.
func (l *Loop) find(unique uint64) (C.struct_rbdfs_request_info, bool) {
	var info C.struct_rbdfs_request_info
	found := C.rbdfs_loop_find(l.c, C.uint64_t(unique), &info)
	return info, bool(found)
}

// watchAge reports when requests wait for long.
func (l *Loop) watchAge() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	slow := false
	for {
		select {
		case <-tick.C:
		case <-l.ended:
			return
		}
		node, age := l.oldest()
		switch {
		case age >= slowAge && !slow:
			slow = true
			l.opts.Slow(node, age)
		case age < slowAge && slow:
			slow = false
			l.opts.Slow(0, 0)
		}
	}
}

// oldest returns the node, or 0, and the age of the oldest request.
func (l *Loop) oldest() (node uint64, age time.Duration) {
	var info C.struct_rbdfs_request_info
	if C.rbdfs_loop_oldest(l.c, &info) {
		node, age = uint64(info.node), time.Duration(info.age)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, since := range l.here {
		if a := time.Since(since); a > age {
			node, age = 0, a
		}
	}
	return node, age
}
