package librbd

/*
#cgo CFLAGS: -Wall -Wextra -Werror
#cgo LDFLAGS: -lrados -lrbd
#include <stdlib.h>
#include "exec.h"
*/
import "C"

import (
	"syscall"
	"unsafe"

	"github.com/ceph/go-ceph/rados"
)

// step is one part of an operation on one object: a method of the OSD class
// "rbd", or the setting of an omap key. go-ceph has such operations too, but
// its own leave Go pointers in C memory between the calls.
type step struct {
	method string // of the class "rbd"
	key    string // the omap key to set, where there is no method
	in     []byte
	out    []byte        // what a reading method answered
	errno  syscall.Errno // of this step, 0 when it went well
}

// readSteps runs all steps on an object as one operation. A step may fail
// without the others; the errno returned is that of the operation.
//
// Calls rados_read_op_exec and rados_read_op_operate.
func readSteps(io *rados.IOContext, oid string, steps []step) syscall.Errno {
	cSteps, free := toC(steps)
	defer free()
	cOid := C.CString(oid)
	defer C.free(unsafe.Pointer(cOid))
	ret := C.rbdfs_read_steps(C.rados_ioctx_t(io.Pointer()), cOid, &cSteps[0], C.size_t(len(cSteps)))
	for i := range cSteps {
		c := &cSteps[i]
		steps[i].errno = errnoOf(c.result)
		if c.out != nil {
			steps[i].out = C.GoBytes(unsafe.Pointer(c.out), C.int(c.out_len))
			C.rados_buffer_free(c.out)
		}
	}
	return errnoOf(ret)
}

// readStep runs one method.
func readStep(io *rados.IOContext, oid, method string, in []byte) ([]byte, syscall.Errno) {
	steps := []step{{method: method, in: in}}
	if errno := readSteps(io, oid, steps); errno != 0 {
		return nil, errno
	}
	return steps[0].out, steps[0].errno
}

// writeSteps runs all steps, or none, on an object that exists; ENOENT.
//
// Calls rados_write_op_exec, rados_write_op_omap_set and rados_write_op_operate.
func writeSteps(io *rados.IOContext, oid string, steps []step) syscall.Errno {
	cSteps, free := toC(steps)
	defer free()
	cOid := C.CString(oid)
	defer C.free(unsafe.Pointer(cOid))
	return errnoOf(C.rbdfs_write_steps(C.rados_ioctx_t(io.Pointer()), cOid, &cSteps[0], C.size_t(len(cSteps))))
}

// toC copies the steps to C memory.
func toC(steps []step) (c []C.struct_rbdfs_step, free func()) {
	p := (*C.struct_rbdfs_step)(C.calloc(C.size_t(len(steps)), C.size_t(unsafe.Sizeof(C.struct_rbdfs_step{}))))
	c = unsafe.Slice(p, len(steps))
	for i, s := range steps {
		if s.method != "" {
			c[i].method = C.CString(s.method)
		} else {
			c[i].key = C.CString(s.key)
		}
		if len(s.in) > 0 {
			c[i].in, c[i].in_len = (*C.char)(C.CBytes(s.in)), C.size_t(len(s.in))
		}
	}
	return c, func() {
		for i := range c {
			C.free(unsafe.Pointer(c[i].method))
			C.free(unsafe.Pointer(c[i].key))
			C.free(unsafe.Pointer(c[i].in))
		}
		C.free(unsafe.Pointer(p))
	}
}

// errnoOf takes the errno out of what a C function returned.
func errnoOf(ret C.int) syscall.Errno {
	if ret >= 0 {
		return 0
	}
	return syscall.Errno(-ret)
}
