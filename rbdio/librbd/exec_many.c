#include "exec.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The operations under way of one rbdfs_read_many. */
struct batch {
	pthread_mutex_t lock; /* guards pending */
	pthread_cond_t done;
	size_t pending;
};

/* One of them. */
struct operation {
	struct batch *batch;
	rados_read_op_t op;
	rados_completion_t completion;
	int *result;
};

static void finish(struct batch *b)
{
	pthread_mutex_lock(&b->lock);
	if (--b->pending == 0)
		pthread_cond_signal(&b->done);
	pthread_mutex_unlock(&b->lock);
}

static void completed(rados_completion_t completion, void *arg)
{
	struct operation *o = arg;

	*o->result = rados_aio_get_return_value(completion);
	finish(o->batch);
}

/* Sends the steps to one object. Returns 0, or a negative errno where there will be
 * no completion. */
static int submit(struct operation *o, rados_ioctx_t io, const char *oid,
		  const struct rbdfs_step *steps, size_t n, struct rbdfs_answer *answers)
{
	int r = rados_aio_create_completion2(o, completed, &o->completion);

	if (r < 0)
		return r;
	o->op = rados_create_read_op();
	for (size_t i = 0; i < n; i++) {
		rados_read_op_exec(o->op, "rbd", steps[i].method, steps[i].in, steps[i].in_len,
				   &answers[i].out, &answers[i].out_len, &answers[i].result);
		/* As in rbdfs_read_steps. */
		rados_read_op_set_flags(o->op, LIBRADOS_OP_FLAG_FAILOK);
	}
	return rados_aio_read_op_operate(o->op, io, o->completion, oid, LIBRADOS_OPERATION_NOFLAG);
}

static void release(struct operation *o)
{
	if (o->op != NULL)
		rados_release_read_op(o->op);
	if (o->completion != NULL)
		rados_aio_release(o->completion);
}

void rbdfs_read_many(rados_ioctx_t io, const char *oids, size_t n_oids,
		     const struct rbdfs_step *steps, size_t n_steps,
		     struct rbdfs_answer *answers, int *results)
{
	struct batch b = { .pending = n_oids };
	struct operation *list = calloc(n_oids, sizeof(*list));

	if (list == NULL) {
		for (size_t i = 0; i < n_oids; i++)
			results[i] = -ENOMEM;
		return;
	}
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.done, NULL);
	for (size_t i = 0; i < n_oids; i++, oids += strlen(oids) + 1) {
		int r;

		list[i].batch = &b;
		list[i].result = &results[i];
		r = submit(&list[i], io, oids, steps, n_steps, &answers[i * n_steps]);
		if (r < 0) {
			results[i] = r;
			finish(&b);
		}
	}
	pthread_mutex_lock(&b.lock);
	while (b.pending > 0)
		pthread_cond_wait(&b.done, &b.lock);
	pthread_mutex_unlock(&b.lock);
	for (size_t i = 0; i < n_oids; i++)
		release(&list[i]);
	pthread_cond_destroy(&b.done);
	pthread_mutex_destroy(&b.lock);
	free(list);
}

void rbdfs_free_answers(struct rbdfs_answer *answers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (answers[i].out != NULL)
			rados_buffer_free(answers[i].out);
}
