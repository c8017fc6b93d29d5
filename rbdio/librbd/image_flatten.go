package librbd

// #include "image.h"
import "C"

import (
	"unsafe"

	"rbdfs/rbdio"
)

// Flatten copies all that the parent backs into the image; EINVAL without one.
// Another client that holds the exclusive lock is asked to do it, and does not
// stop before it is done.
//
// Calls rbd_flatten_with_progress.
func (i *image) Flatten(p *rbdio.Progress) error {
	if err := i.usable("flatten"); err != nil {
		return err
	}
	// Pinned by the call, and free of Go pointers.
	progress := (*C.struct_rbdfs_progress)(unsafe.Pointer(p))
	return i.s.check(errnoOf(C.rbdfs_flatten(i.handle, progress)), "flatten %s", i.label)
}

// The layout that C and Go agree on.
var _ [unsafe.Sizeof(rbdio.Progress{})]byte = [unsafe.Sizeof(C.struct_rbdfs_progress{})]byte{}
