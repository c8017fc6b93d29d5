#include "exec.h"

#include <errno.h>

int rbdfs_read_steps(rados_ioctx_t io, const char *oid, struct rbdfs_step *steps, size_t n)
{
	rados_read_op_t op = rados_create_read_op();
	int r;

	if (op == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		rados_read_op_exec(op, "rbd", steps[i].method, steps[i].in, steps[i].in_len,
				   &steps[i].out, &steps[i].out_len, &steps[i].result);
		/* Without it the OSD stops at the first step that fails. */
		rados_read_op_set_flags(op, LIBRADOS_OP_FLAG_FAILOK);
	}
	r = rados_read_op_operate(op, io, oid, LIBRADOS_OPERATION_NOFLAG);
	rados_release_read_op(op);
	return r;
}

/* Adds the steps to an operation. */
static void add_steps(rados_write_op_t op, struct rbdfs_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].method != NULL)
			rados_write_op_exec(op, "rbd", steps[i].method, steps[i].in,
					    steps[i].in_len, &steps[i].result);
		else
			rados_write_op_omap_set(op, &steps[i].key, &steps[i].in,
						&steps[i].in_len, 1);
	}
}

int rbdfs_write_steps(rados_ioctx_t io, const char *oid, struct rbdfs_step *steps, size_t n)
{
	rados_write_op_t op = rados_create_write_op();
	int r;

	if (op == NULL)
		return -ENOMEM;
	/* Any write would make the object of an image that was just removed. */
	rados_write_op_assert_exists(op);
	add_steps(op, steps, n);
	r = rados_write_op_operate(op, io, oid, NULL, LIBRADOS_OPERATION_NOFLAG);
	rados_release_write_op(op);
	return r;
}

int rbdfs_force_create(rados_ioctx_t io, const char *oid, bool must_be_new,
		       struct rbdfs_step *steps, size_t n)
{
	rados_write_op_t op = rados_create_write_op();
	int r;

	if (op == NULL)
		return -ENOMEM;
	rados_write_op_create(op, must_be_new ? LIBRADOS_CREATE_EXCLUSIVE : LIBRADOS_CREATE_IDEMPOTENT, NULL);
	add_steps(op, steps, n);
	r = rados_write_op_operate(op, io, oid, NULL, LIBRADOS_OPERATION_FULL_FORCE);
	rados_release_write_op(op);
	return r;
}
