package loop

import (
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// message returns the bytes of a struct of the protocol, with its opcode and length.
func message[T any](opcode uint32, in T, data ...byte) []byte {
	msg := append(unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in)), data...)
	h := header(msg)
	h.Opcode, h.Length = opcode, uint32(len(msg))
	return msg
}

func TestReplySize(t *testing.T) {
	const huge = 1<<32 - 1
	for name, tc := range map[string]struct {
		msg  []byte
		want int // on top of replyRoom
	}{
		"read":                 {message(opRead, fuse.ReadIn{Size: 5000}), 5000},
		"huge read":            {message(opRead, fuse.ReadIn{Size: huge}), maxReply},
		"readdir":              {message(opReaddir, fuse.ReadIn{Size: 77}), 77},
		"readdirplus":          {message(opReaddirplus, fuse.ReadIn{Size: 77}), 77},
		"read that is cut":     {message(opRead, fuse.ReadIn{Size: 5000})[:headerSize+20], 0},
		"getxattr":             {message(opGetxattr, fuse.GetXAttrIn{Size: 100}, 'a', 0), 100},
		"size of an xattr":     {message(opGetxattr, fuse.GetXAttrIn{}, 'a', 0), 0},
		"huge listxattr":       {message(opListxattr, fuse.GetXAttrIn{Size: huge}), maxReply},
		"getxattr that is cut": {message(opGetxattr, fuse.GetXAttrIn{Size: 100})[:headerSize], 0},
		"ioctl":                {message(opIoctl, fuse.IoctlIn{OutSize: 200}), 200},
		"ioctl that is cut":    {message(opIoctl, fuse.IoctlIn{OutSize: 200})[:headerSize+10], 0},
		"header alone":         {message(1, fuse.InHeader{}), 0},
		"unknown opcode":       {message(huge, fuse.ReadIn{Size: 5000}), 0},
	} {
		if got := replySize(tc.msg); got != replyRoom+tc.want {
			t.Errorf("%s: %d bytes, want %d more than %d", name, got, tc.want, replyRoom)
		}
	}
}

func TestInitFlags(t *testing.T) {
	full := message(opInit, fuse.InitIn{Major: 7, Minor: 45, Flags: 1, Flags2: 2})
	for name, tc := range map[string]struct {
		msg   []byte
		flags uint64
		ok    bool
	}{
		"whole":                 {full, 1 | 2<<32, true},
		"before Linux 5.17":     {full[:headerSize+16], 1, true},
		"cut":                   {full[:headerSize+15], 0, false},
		"header alone":          {full[:headerSize], 0, false},
		"too short":             {full[:headerSize-1], 0, false},
		"nothing":               {nil, 0, false},
		"another first message": {message(1, fuse.InitIn{Flags: 1}), 0, false},
	} {
		if flags, ok := initFlags(tc.msg); flags != tc.flags || ok != tc.ok {
			t.Errorf("%s: %#x, %v, want %#x, %v", name, flags, ok, tc.flags, tc.ok)
		}
	}
}

func TestErrorReply(t *testing.T) {
	out := make([]byte, 100)
	n := errorReply(out, 9, fuse.EINTR)
	if got, want := *(*fuse.OutHeader)(unsafe.Pointer(&out[0])), (fuse.OutHeader{Length: 16, Status: -4, Unique: 9}); n != 16 || got != want {
		t.Errorf("%d bytes, %+v, want %+v", n, got, want)
	}
}
