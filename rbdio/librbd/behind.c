#include "behind.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* A write under way, in the list of its rbdfs_behind. */
struct pending {
	struct rbdfs_behind *behind;
	struct pending *next;
	struct pending **link; /* what points to this one */
	uint64_t begin;
	uint64_t end;
	uint64_t number;
};

struct rbdfs_behind {
	rbd_image_t image;
	size_t limit;

	pthread_mutex_t lock; /* guards the rest; not held across a call of librbd */
	pthread_cond_t changed;
	struct pending *list;
	size_t bytes;    /* in the list */
	uint64_t number; /* of the newest write */
	int error;       /* the first since the last flush, 0 or negative */
};

struct rbdfs_behind *rbdfs_behind_new(rbd_image_t image, size_t limit)
{
	struct rbdfs_behind *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->image = image;
	b->limit = limit;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	return b;
}

static bool overlaps(const struct rbdfs_behind *b, uint64_t begin, uint64_t end)
{
	for (const struct pending *p = b->list; p != NULL; p = p->next)
		if (p->begin < end && begin < p->end)
			return true;
	return false;
}

/* Takes a write off the list, and wakes who waits. */
static void finish(struct pending *p, int error)
{
	struct rbdfs_behind *b = p->behind;

	pthread_mutex_lock(&b->lock);
	*p->link = p->next;
	if (p->next != NULL)
		p->next->link = p->link;
	b->bytes -= p->end - p->begin;
	if (error < 0 && b->error == 0)
		b->error = error;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	free(p);
}

static void written(rbd_completion_t completion, void *arg)
{
	int r = rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	finish(arg, r);
}

/* Puts a write on the list, once there is room for it. While a flush has not yet
 * told of a write that failed, no other begins: its error is returned. */
static int begin(struct rbdfs_behind *b, struct pending *p)
{
	size_t len = p->end - p->begin;
	int error;

	pthread_mutex_lock(&b->lock);
	while (overlaps(b, p->begin, p->end) || (b->list != NULL && b->bytes + len > b->limit))
		pthread_cond_wait(&b->changed, &b->lock);
	error = b->error;
	if (error < 0) {
		pthread_mutex_unlock(&b->lock);
		return error;
	}
	p->behind = b;
	p->number = ++b->number;
	p->next = b->list;
	p->link = &b->list;
	if (p->next != NULL)
		p->next->link = &p->next;
	b->list = p;
	b->bytes += len;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int rbdfs_behind_write(struct rbdfs_behind *b, uint64_t off, size_t len, const char *buf)
{
	rbd_completion_t completion;
	uint64_t size;
	int r = rbd_get_size(b->image, &size);
	struct pending *p;

	if (r < 0)
		return r;
	if (off > size || len > size - off)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->begin = off;
	p->end = off + len;
	r = begin(b, p);
	if (r < 0) {
		free(p);
		return r;
	}
	r = rbd_aio_create_completion(p, written, &completion);
	if (r == 0) {
		r = rbd_aio_write(b->image, off, len, buf, completion);
		if (r < 0)
			rbd_aio_release(completion);
	}
	if (r < 0)
		finish(p, 0);
	return r < 0 ? r : 0;
}

void rbdfs_behind_await(struct rbdfs_behind *b, uint64_t off, uint64_t len)
{
	pthread_mutex_lock(&b->lock);
	while (overlaps(b, off, off + len))
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

/* Tells whether a write up to a number is under way. */
static bool unfinished(const struct rbdfs_behind *b, uint64_t number)
{
	for (const struct pending *p = b->list; p != NULL; p = p->next)
		if (p->number <= number)
			return true;
	return false;
}

int rbdfs_behind_flush(struct rbdfs_behind *b)
{
	uint64_t number;
	int error;

	pthread_mutex_lock(&b->lock);
	number = b->number;
	while (unfinished(b, number))
		pthread_cond_wait(&b->changed, &b->lock);
	error = b->error;
	b->error = 0;
	pthread_mutex_unlock(&b->lock);
	return error;
}

void rbdfs_behind_free(struct rbdfs_behind *b)
{
	rbdfs_behind_await(b, 0, UINT64_MAX);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->changed);
	free(b);
}
