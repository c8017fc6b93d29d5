/* Several cls_rbd methods on one object as one RADOS operation. */
#ifndef RBDFS_EXEC_H
#define RBDFS_EXEC_H

#include <rados/librados.h>
#include <stddef.h>

/* One step of an operation: a method of the OSD class "rbd", or, where method
 * is NULL, setting the omap key in key to in (write operations only). */
struct rbdfs_step {
	const char *method;
	const char *key;
	const char *in;
	size_t in_len;
	char *out; /* read operations: to be freed with rados_buffer_free */
	size_t out_len;
	int result; /* 0 or a negative errno, also where the whole went well */
};

/* Runs all steps on object oid, whatever each of them answers: a step fails
 * alone. Returns 0, or a negative errno when the operation as a whole failed. */
int rbdfs_read_steps(rados_ioctx_t io, const char *oid, struct rbdfs_step *steps, size_t n);

/* Runs all steps on object oid, which must exist, or none of them. */
int rbdfs_write_steps(rados_ioctx_t io, const char *oid, struct rbdfs_step *steps, size_t n);

#endif
