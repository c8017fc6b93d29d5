package librbd

// #include <stdlib.h>
// #include "exec.h"
import "C"

import (
	"strings"
	"syscall"
	"unsafe"

	"github.com/ceph/go-ceph/rados"
)

// readMany runs the same reading steps on each of several objects, all objects
// at once, and hands the answers of one after the other to each, in their order.
// What the steps answered is gone when each returns. It takes one thread for all
// of them, and none of Go's is woken per object.
//
// Calls rados_read_op_exec and rados_aio_read_op_operate.
func readMany(io *rados.IOContext, oids []string, steps []step, each func(i int, answers []step, errno syscall.Errno)) {
	if len(oids) == 0 {
		return
	}
	cSteps, free := toC(steps)
	defer free()
	names := C.CString(strings.Join(oids, "\x00")) // and the last one's NUL
	defer C.free(unsafe.Pointer(names))
	count := len(oids) * len(steps)
	answers := (*C.struct_rbdfs_answer)(C.calloc(C.size_t(count), C.sizeof_struct_rbdfs_answer))
	defer C.free(unsafe.Pointer(answers))
	defer C.rbdfs_free_answers(answers, C.size_t(count))
	results := (*C.int)(C.calloc(C.size_t(len(oids)), C.sizeof_int))
	defer C.free(unsafe.Pointer(results))
	C.rbdfs_read_many(C.rados_ioctx_t(io.Pointer()), names, C.size_t(len(oids)), &cSteps[0], C.size_t(len(steps)), answers, results)
	all, errnos := unsafe.Slice(answers, count), unsafe.Slice(results, len(oids))
	answered := make([]step, len(steps))
	for i := range oids {
		for j, a := range all[i*len(steps):][:len(steps)] {
			answered[j] = step{errno: errnoOf(a.result)}
			if a.out != nil {
				answered[j].out = unsafe.Slice((*byte)(unsafe.Pointer(a.out)), int(a.out_len))
			}
		}
		each(i, answered, errnoOf(errnos[i]))
	}
}
