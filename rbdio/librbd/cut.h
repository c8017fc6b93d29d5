/* Setting an image's size in its header alone, if nothing there has changed. */
#ifndef RBDFS_CUT_H
#define RBDFS_CUT_H

#include <rados/librados.h>
#include <stdint.h>

/* Finds the version of an object: a number that grows with each change to it. Returns
 * 0 or a negative errno. */
int rbdfs_version(rados_ioctx_t io, const char *oid, uint64_t *version);

/* Sets the size in an image's header, and tells all who watch it, librbd's own handle
 * of this client included. Returns 0; -ERANGE when the header has changed since it had
 * that version; or a negative errno. */
int rbdfs_set_size(rados_ioctx_t io, const char *oid, uint64_t version, uint64_t size);

#endif
