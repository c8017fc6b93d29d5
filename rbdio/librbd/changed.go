package librbd

/*
#define _GNU_SOURCE // RTLD_DEFAULT
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <rados/librados.h>

// Returns the modification time of an object: by rados_stat2, which Ceph has from 17.2
// on, or else to the second.
static int rbdfs_object_time(rados_ioctx_t io, const char *oid, struct timespec *mtime)
{
	int (*stat2)(rados_ioctx_t, const char *, uint64_t *, struct timespec *);
	uint64_t size;
	stat2 = dlsym(RTLD_DEFAULT, "rados_stat2");
	if (stat2)
		return stat2(io, oid, &size, mtime);
	mtime->tv_nsec = 0;
	return rados_stat(io, oid, &size, &mtime->tv_sec);
}
*/
import "C"

import (
	"syscall"
	"time"
	"unsafe"

	"rbdfs/rbdio"
)

// Changed returns when a list was last changed: each change of its object moves the
// object's modification time, whoever makes it. It is the time of that client's clock.
//
// Calls rados_stat2, or rados_stat.
func (p *Pool) Changed(list rbdio.List) (at time.Time, err error) {
	object := directoryObject
	if list == rbdio.ListTrash {
		object = trashObject
	}
	err = p.read(func(s *session) error {
		cObject := C.CString(object)
		defer C.free(unsafe.Pointer(cObject))
		var mtime C.struct_timespec
		errno := errnoOf(C.rbdfs_object_time(C.rados_ioctx_t(s.io.Pointer()), cObject, &mtime))
		if errno == syscall.ENOENT {
			return nil // nothing was ever made
		}
		if mtime.tv_sec != 0 { // librados sends no time with rados_exec, as librbd uses it for groups
			at = time.Unix(int64(mtime.tv_sec), int64(mtime.tv_nsec))
		}
		return s.check(errno, "look at %s", object)
	})
	return at, err
}
