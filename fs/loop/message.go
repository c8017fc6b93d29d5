package loop

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Opcodes of linux/fuse.h that go-fuse does not export.
const (
	opRead        = 15
	opGetxattr    = 22
	opListxattr   = 23
	opInit        = 26
	opReaddir     = 28
	opInterrupt   = 36
	opIoctl       = 39
	opReaddirplus = 44
)

const (
	headerSize = int(unsafe.Sizeof(fuse.InHeader{}))

	// replyRoom is more than the largest reply without data: header and struct.
	replyRoom = 4096
	// maxReply bounds what a message can ask for. The kernel asks for less.
	maxReply = 32 << 20
)

// header returns the header of a message that is long enough to have one.
func header(msg []byte) *fuse.InHeader { return (*fuse.InHeader)(unsafe.Pointer(&msg[0])) }

// initFlags returns the capabilities that a FUSE_INIT offers; false for another
// message. Before Linux 5.17 it ends before Flags2.
func initFlags(msg []byte) (flags uint64, ok bool) {
	var in fuse.InitIn
	if len(msg) < int(unsafe.Offsetof(in.Flags2)) || header(msg).Opcode != opInit {
		return 0, false
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in)), msg)
	return in.Flags64(), true
}

// replySize returns how many bytes the reply to a message may have, at least.
func replySize(msg []byte) int {
	size := uint32(0)
	switch header(msg).Opcode {
	case opRead, opReaddir, opReaddirplus:
		if in, ok := body[fuse.ReadIn](msg); ok {
			size = in.Size
		}
	case opGetxattr, opListxattr:
		if in, ok := body[fuse.GetXAttrIn](msg); ok {
			size = in.Size
		}
	case opIoctl:
		if in, ok := body[fuse.IoctlIn](msg); ok {
			size = in.OutSize
		}
	}
	return replyRoom + int(min(size, maxReply))
}

// body returns a message as the struct of its opcode; false for one too short.
func body[T any](msg []byte) (*T, bool) {
	if len(msg) < int(unsafe.Sizeof(*new(T))) {
		return nil, false
	}
	return (*T)(unsafe.Pointer(&msg[0])), true
}

// errorReply writes a reply that is an error, and returns its length.
func errorReply(out []byte, unique uint64, status fuse.Status) int {
	h := (*fuse.OutHeader)(unsafe.Pointer(&out[0]))
	size := int(unsafe.Sizeof(*h))
	*h = fuse.OutHeader{Length: uint32(size), Status: -int32(status), Unique: unique}
	return size
}
