/* Several cls_rbd methods on one object as one RADOS operation. */
#ifndef RBDFS_EXEC_H
#define RBDFS_EXEC_H

#include <rados/librados.h>
#include <stdbool.h>
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

/* What one step answered on one object. */
struct rbdfs_answer {
	char *out; /* to be freed with rados_buffer_free */
	size_t out_len;
	int result; /* as in struct rbdfs_step */
};

/* Runs the same reading steps on each of several objects, all objects at once,
 * and returns when the last one has answered. oids holds their names one behind
 * the other, each with its NUL. answers has room for each step of the first object,
 * then of the second, and so on; results for one number an object, 0 or a negative
 * errno: of its operation as a whole. Of steps only what goes in is used. */
void rbdfs_read_many(rados_ioctx_t io, const char *oids, size_t n_oids,
		     const struct rbdfs_step *steps, size_t n_steps,
		     struct rbdfs_answer *answers, int *results);

/* Frees what n answers hold. */
void rbdfs_free_answers(struct rbdfs_answer *answers, size_t n);

/* Runs all steps on object oid, which must exist, or none of them. */
int rbdfs_write_steps(rados_ioctx_t io, const char *oid, struct rbdfs_step *steps, size_t n);

/* Makes object oid, also in a pool that is full, and runs all steps on it, or none.
 * Returns 0 or a negative errno: -EEXIST when it is there, but must be new. */
int rbdfs_force_create(rados_ioctx_t io, const char *oid, bool must_be_new,
		       struct rbdfs_step *steps, size_t n);

#endif
