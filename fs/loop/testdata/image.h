/* An image in memory, whose answers come when and as the test says. */
#ifndef RBDFS_TEST_IMAGE_H
#define RBDFS_TEST_IMAGE_H

#include <errno.h>
#include <string.h>

#include "../../../rbdio/datapath.h"
#include "../../../tests/sanitize/check.h"

#define IMAGE_SIZE (1ul << 20)
#define IMAGE_WORKERS 2
#define IMAGE_QUEUE 4096

/* How an io ends. */
enum fate { WHOLE, SHORT, FAILS, REFUSED, ANY };

struct op {
	struct rbdfs_io *io;
	bool write;
	enum fate fate;
};

struct image {
	/* Set while nothing is in flight. */
	enum fate fate;
	bool later;     /* answers come from the workers */
	bool no_data;   /* only offsets matter */
	void (*look)(); /* called when an io begins */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	struct rng rng;
	char data[IMAGE_SIZE];
	bool held; /* the workers hold writes back */
	bool ending;
	size_t begun; /* how many were, and where the first of them */
	uint64_t order[64];
	size_t queued;
	struct op queue[IMAGE_QUEUE];
	pthread_t workers[IMAGE_WORKERS];
};

static void image_move(struct image *m, const struct op *op, size_t len)
{
	char *at = m->data + op->io->off;

	if (m->no_data)
		return;
	CHECK(op->io->off <= IMAGE_SIZE && len <= IMAGE_SIZE - op->io->off);
	pthread_mutex_lock(&m->lock);
	memcpy(op->write ? at : op->io->buf, op->write ? op->io->buf : at, len);
	pthread_mutex_unlock(&m->lock);
}

static void image_answer(struct image *m, const struct op *op)
{
	size_t len = op->io->len;

	switch (op->fate) {
	case WHOLE:
		image_move(m, op, len);
		op->io->done(op->io, (ssize_t)len);
		return;
	case SHORT:
		image_move(m, op, len / 2);
		op->io->done(op->io, (ssize_t)(len / 2));
		return;
	default:
		op->io->done(op->io, -EIO);
	}
}

/* Takes any op that may end now off the queue; the lock is held. */
static bool image_pick(struct image *m, struct op *op)
{
	size_t first = m->queued > 0 ? rng_below(&m->rng, m->queued) : 0;

	for (size_t n = 0; n < m->queued; n++) {
		size_t i = (first + n) % m->queued;

		if (m->held && m->queue[i].write)
			continue;
		*op = m->queue[i];
		m->queue[i] = m->queue[--m->queued];
		return true;
	}
	return false;
}

static void *image_work(void *arg)
{
	struct image *m = arg;
	struct op op;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		if (image_pick(m, &op)) {
			struct rng own = {rng_next(&m->rng)};

			pthread_mutex_unlock(&m->lock);
			if (rng_one_in(&own, 4))
				dither(&own, 100);
			image_answer(m, &op);
			pthread_mutex_lock(&m->lock);
		} else if (m->ending) {
			break;
		} else {
			pthread_cond_wait(&m->changed, &m->lock);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static enum fate image_fate(struct image *m)
{
	if (m->fate != ANY)
		return m->fate;
	if (!rng_one_in(&m->rng, 8))
		return WHOLE;
	return (enum fate)rng_below(&m->rng, ANY);
}

static int image_begin(struct image *m, struct rbdfs_io *io, bool write)
{
	struct op op = {.io = io, .write = write};
	bool later;

	if (m->look != NULL)
		m->look();
	pthread_mutex_lock(&m->lock);
	op.fate = image_fate(m);
	if (m->begun < sizeof(m->order) / sizeof(m->order[0]))
		m->order[m->begun] = io->off;
	m->begun++;
	later = m->later && (m->held || !rng_one_in(&m->rng, 4));
	if (later && op.fate != REFUSED) {
		CHECK(m->queued < IMAGE_QUEUE);
		m->queue[m->queued++] = op;
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
	if (op.fate == REFUSED)
		return -EAGAIN;
	if (!later)
		image_answer(m, &op);
	return 0;
}

static int image_read(void *image, struct rbdfs_io *io) { return image_begin(image, io, false); }
static int image_write(void *image, struct rbdfs_io *io) { return image_begin(image, io, true); }

static const struct rbdfs_io_calls image_calls = {.read = image_read, .write = image_write};

/* Holds writes back, or lets go of them. */
static void image_hold(struct image *m, bool held)
{
	pthread_mutex_lock(&m->lock);
	m->held = held;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

static struct image *image_new(uint64_t seed)
{
	struct image *m = calloc(1, sizeof(*m));

	CHECK(m != NULL);
	m->rng.state = seed;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	for (int i = 0; i < IMAGE_WORKERS; i++)
		m->workers[i] = start_thread(image_work, m);
	return m;
}

static void image_free(struct image *m)
{
	pthread_mutex_lock(&m->lock);
	m->ending = true;
	m->held = false;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	for (int i = 0; i < IMAGE_WORKERS; i++)
		join(m->workers[i]);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->changed);
	free(m);
}

#endif
