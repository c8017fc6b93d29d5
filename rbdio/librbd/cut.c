#include "cut.h"

#include <errno.h>
#include <endian.h>
#include <stdlib.h>
#include <time.h>

/* What librbd waits for those who watch a header, in milliseconds (ceph:
 * src/librbd/watcher/Notifier.cc: NOTIFY_TIMEOUT). */
#define NOTIFY_MS 5000

/* Waits for an operation, and returns what became of it. */
static int await(rados_completion_t completion, int submitted)
{
	if (submitted < 0)
		return submitted;
	rados_aio_wait_for_complete(completion);
	return rados_aio_get_return_value(completion);
}

int rbdfs_version(rados_ioctx_t io, const char *oid, uint64_t *version)
{
	rados_read_op_t op = rados_create_read_op();
	rados_completion_t completion;
	uint64_t size;
	time_t mtime;
	int r, stat;

	if (op == NULL)
		return -ENOMEM;
	r = rados_aio_create_completion2(NULL, NULL, &completion);
	if (r < 0) {
		rados_release_read_op(op);
		return r;
	}
	rados_read_op_stat(op, &size, &mtime, &stat);
	r = await(completion, rados_aio_read_op_operate(op, io, completion, oid, LIBRADOS_OPERATION_NOFLAG));
	/* rados_get_last_version would be of whatever call on io was over last. */
	*version = rados_aio_get_version(completion);
	rados_aio_release(completion);
	rados_release_read_op(op);
	return r;
}

/* Submits the change and then the notification, which reaches the watchers before
 * anything that comes after the change. */
static int set_and_notify(rados_ioctx_t io, const char *oid, rados_write_op_t op,
			  rados_completion_t set, rados_completion_t told)
{
	char *reply = NULL;
	size_t reply_len = 0;
	int setting = rados_aio_write_op_operate(op, io, set, oid, NULL, LIBRADOS_OPERATION_NOFLAG);
	int telling = rados_aio_notify(io, oid, told, "", 0, NOTIFY_MS, &reply, &reply_len);
	int r = await(set, setting);

	/* A watcher that does not answer does not undo the change. */
	await(told, telling);
	rados_buffer_free(reply);
	return r == -EOVERFLOW ? -ERANGE : r;
}

int rbdfs_set_size(rados_ioctx_t io, const char *oid, uint64_t version, uint64_t size)
{
	uint64_t in = htole64(size);
	rados_write_op_t op = rados_create_write_op();
	rados_completion_t set, told;
	int result, r;

	if (op == NULL)
		return -ENOMEM;
	rados_write_op_assert_version(op, version);
	rados_write_op_exec(op, "rbd", "set_size", (const char *)&in, sizeof(in), &result);
	r = rados_aio_create_completion2(NULL, NULL, &set);
	if (r == 0) {
		r = rados_aio_create_completion2(NULL, NULL, &told);
		if (r == 0) {
			r = set_and_notify(io, oid, op, set, told);
			rados_aio_release(told);
		}
		rados_aio_release(set);
	}
	rados_release_write_op(op);
	return r;
}
