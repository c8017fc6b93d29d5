#include "direct.h"

#include <errno.h>

/* librbd goes on answering from what it has in memory. */
static bool fenced(const struct rbdfs_direct *d)
{
	return __atomic_load_n(&d->shared->fenced, __ATOMIC_RELAXED) != 0;
}

static void changed(void *arg)
{
	struct rbdfs_direct *d = arg;

	__atomic_add_fetch(&d->changes, 1, __ATOMIC_SEQ_CST);
}

int rbdfs_direct_watch(struct rbdfs_direct *d)
{
	return rbd_update_watch(d->image, &d->watch, changed, d);
}

void rbdfs_direct_unwatch(struct rbdfs_direct *d)
{
	rbd_update_unwatch(d->image, d->watch);
}

/* Tells whether librbd knows the header without asking the cluster. */
static bool is_fresh(const struct rbdfs_direct *d)
{
	return __atomic_load_n(&d->changes, __ATOMIC_SEQ_CST) == __atomic_load_n(&d->seen, __ATOMIC_SEQ_CST);
}

int rbdfs_direct_refresh(struct rbdfs_direct *d)
{
	unsigned changes = __atomic_load_n(&d->changes, __ATOMIC_SEQ_CST);
	uint64_t size;
	int r;

	if (is_fresh(d))
		return 0;
	r = rbd_get_size(d->image, &size);
	if (r == 0)
		__atomic_store_n(&d->seen, changes, __ATOMIC_SEQ_CST);
	return r;
}

static void over(rbd_completion_t completion, void *arg)
{
	struct rbdfs_io *io = arg;
	ssize_t r = rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	io->done(io, r);
}

static void over_written(rbd_completion_t completion, void *arg)
{
	struct rbdfs_io *io = arg;
	ssize_t r = rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	io->done(io, r < 0 ? r : (ssize_t)io->len);
}

static int direct_read(void *image, struct rbdfs_io *io)
{
	struct rbdfs_direct *d = image;
	rbd_completion_t completion;
	int r;

	if (fenced(d) || (d->behind != NULL && rbdfs_behind_busy(d->behind, io->off, io->len)))
		return -EAGAIN;
	r = rbd_aio_create_completion(io, over, &completion);
	if (r < 0)
		return r;
	r = rbd_aio_read(d->image, io->off, io->len, io->buf, completion);
	if (r < 0)
		rbd_aio_release(completion);
	return r < 0 ? r : 0;
}

/* Writes without writing behind. */
static int write_through(struct rbdfs_direct *d, struct rbdfs_io *io)
{
	rbd_completion_t completion;
	uint64_t size;
	int r = rbd_get_size(d->image, &size);

	if (r < 0)
		return r;
	if (io->off > size || io->len > size - io->off)
		return -EINVAL;
	r = rbd_aio_create_completion(io, over_written, &completion);
	if (r < 0)
		return r;
	r = rbd_aio_write(d->image, io->off, io->len, io->buf, completion);
	if (r < 0)
		rbd_aio_release(completion);
	return r < 0 ? r : 0;
}

static int direct_write(void *image, struct rbdfs_io *io)
{
	struct rbdfs_direct *d = image;

	if (fenced(d) || !is_fresh(d))
		return -EAGAIN;
	return d->behind != NULL ? rbdfs_behind_submit(d->behind, io) : write_through(d, io);
}

const struct rbdfs_io_calls rbdfs_direct_calls = {.read = direct_read, .write = direct_write};
