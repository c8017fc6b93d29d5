package librbd

/*
#include <stdlib.h>
#include "direct.h"
*/
import "C"

import (
	"sync/atomic"
	"unsafe"

	"rbdfs/rbdio"
)

// newShared makes what the images of one connection share in C.
func newShared() *C.struct_rbdfs_shared {
	shared := (*C.struct_rbdfs_shared)(C.calloc(1, C.sizeof_struct_rbdfs_shared))
	shared.behind.limit, shared.behind.share = behindTotal, behindShare
	return shared
}

// tellFenced has C code refuse to use the images of this connection.
func (s *session) tellFenced() {
	atomic.StoreInt32((*int32)(unsafe.Pointer(&s.shared.fenced)), 1)
}

// newDirect makes what Direct hands out.
func (i *readImage) newDirect(behind *C.struct_rbdfs_behind) {
	i.direct = (*C.struct_rbdfs_direct)(C.calloc(1, C.sizeof_struct_rbdfs_direct))
	*i.direct = C.struct_rbdfs_direct{image: i.handle, behind: behind, shared: i.s.shared}
}

// Direct returns the image for C code to use, until Close.
//
// Its calls are those of direct.c: rbd_aio_read and rbd_aio_write.
func (i *readImage) Direct() rbdio.Direct {
	if i.direct == nil {
		return rbdio.Direct{}
	}
	return rbdio.Direct{Calls: unsafe.Pointer(&C.rbdfs_direct_calls), Image: unsafe.Pointer(i.direct)}
}
