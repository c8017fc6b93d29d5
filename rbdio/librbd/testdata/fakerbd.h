/* What behind.c and direct.c call of librbd, on an image in memory whose answers
 * come from other threads, when and as the test says. */
#ifndef RBDFS_TEST_FAKERBD_H
#define RBDFS_TEST_FAKERBD_H

#include <errno.h>
#include <rbd/librbd.h>
#include <string.h>

#include "../../../tests/sanitize/check.h"

#define FAKE_SIZE (4ul << 20)
#define FAKE_WORKERS 3
#define FAKE_QUEUE 4096

struct completion {
	rbd_callback_t call;
	void *arg;
	ssize_t result;
	bool write;
	uint64_t off;
	size_t len;
	char *buf; /* of a write, a copy, as librbd makes one */
};

struct fake {
	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t changed;
	struct rng rng;
	char data[FAKE_SIZE];
	bool no_data;  /* only offsets matter, below any size */
	bool held;     /* nothing is answered */
	int let_go;    /* of so many all the same, the oldest first */
	int size_error, begin_error, create_error;
	int fails;     /* the next so many writes fail */
	uint64_t one_fails_in; /* of all others, 0 for none */
	uint64_t begun, failed;
	rbd_update_callback_t header_call;
	void *header_arg;
	bool ending;
	size_t under_way;
	size_t queued; /* the oldest first */
	struct completion *queue[FAKE_QUEUE];
	struct completion *writing[FAKE_QUEUE]; /* queued or being answered */
	size_t writings;
	pthread_t workers[FAKE_WORKERS];
};

/* Completions have no image before they are used, and there is one. */
static struct fake *fake;

int rbd_get_size(rbd_image_t image, uint64_t *size)
{
	struct fake *f = image;
	int r;

	pthread_mutex_lock(&f->lock);
	*size = f->no_data ? UINT64_MAX : FAKE_SIZE;
	r = f->size_error;
	pthread_mutex_unlock(&f->lock);
	return r;
}

int rbd_update_watch(rbd_image_t image, uint64_t *handle, rbd_update_callback_t call, void *arg)
{
	struct fake *f = image;

	f->header_call = call;
	f->header_arg = arg;
	*handle = 7;
	return 0;
}

int rbd_update_unwatch(rbd_image_t image, uint64_t handle)
{
	struct fake *f = image;

	CHECK(handle == 7);
	f->header_call = NULL;
	return 0;
}

int rbd_aio_create_completion(void *arg, rbd_callback_t call, rbd_completion_t *c)
{
	struct completion *made;
	int r;

	pthread_mutex_lock(&fake->lock);
	r = fake->create_error;
	pthread_mutex_unlock(&fake->lock);
	if (r < 0)
		return r;
	made = calloc(1, sizeof(*made));
	CHECK(made != NULL);
	made->call = call;
	made->arg = arg;
	*c = made;
	return 0;
}

ssize_t rbd_aio_get_return_value(rbd_completion_t c) { return ((struct completion *)c)->result; }

void rbd_aio_release(rbd_completion_t c)
{
	free(((struct completion *)c)->buf);
	free(c);
}

/* Wants no write under way to the same bytes; the lock is held. */
static void fake_check_overlap(const struct fake *f, const struct completion *c)
{
	for (size_t i = 0; i < f->writings; i++) {
		const struct completion *w = f->writing[i];

		CHECK(w->off >= c->off + c->len || c->off >= w->off + w->len);
	}
}

static int fake_begin(struct fake *f, struct completion *c)
{
	int r;

	pthread_mutex_lock(&f->lock);
	r = f->begin_error;
	if (r == 0) {
		CHECK(f->queued < FAKE_QUEUE && f->writings < FAKE_QUEUE);
		f->begun++;
		f->under_way++;
		if (c->write) {
			fake_check_overlap(f, c);
			f->writing[f->writings++] = c;
		}
		f->queue[f->queued++] = c;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

int rbd_aio_write(rbd_image_t image, uint64_t off, size_t len, const char *buf, rbd_completion_t completion)
{
	struct completion *c = completion;

	c->write = true;
	c->off = off;
	c->len = len;
	c->buf = malloc(len + 1);
	CHECK(c->buf != NULL);
	memcpy(c->buf, buf, len);
	return fake_begin(image, c);
}

int rbd_aio_read(rbd_image_t image, uint64_t off, size_t len, char *buf, rbd_completion_t completion)
{
	struct fake *f = image;
	struct completion *c = completion;

	c->off = off;
	c->len = len;
	/* Taken at once: what is under way may come later or not. */
	pthread_mutex_lock(&f->lock);
	c->result = off < FAKE_SIZE ? (ssize_t)(len < FAKE_SIZE - off ? len : FAKE_SIZE - off) : 0;
	memcpy(buf, f->data + (off < FAKE_SIZE ? off : 0), (size_t)c->result);
	pthread_mutex_unlock(&f->lock);
	return fake_begin(f, c);
}

/* Ends a write, and forgets it; the lock is held. */
static void fake_write(struct fake *f, struct completion *c)
{
	bool fails = f->fails > 0 || (f->one_fails_in > 0 && rng_one_in(&f->rng, f->one_fails_in));

	for (size_t i = 0; i < f->writings; i++)
		if (f->writing[i] == c)
			f->writing[i--] = f->writing[--f->writings];
	if (fails) {
		f->failed++;
		f->fails -= f->fails > 0;
		c->result = -EIO;
	} else if (!f->no_data) {
		CHECK(c->off <= FAKE_SIZE && c->len <= FAKE_SIZE - c->off);
		memcpy(f->data + c->off, c->buf, c->len);
	}
}

/* Takes one that may be answered off the queue; the lock is held. */
static struct completion *fake_pick(struct fake *f)
{
	size_t i = 0;
	struct completion *c;

	if (f->queued == 0 || (f->held && f->let_go == 0))
		return NULL;
	if (f->held)
		f->let_go--;
	else
		i = rng_below(&f->rng, f->queued);
	c = f->queue[i];
	memmove(&f->queue[i], &f->queue[i + 1], (--f->queued - i) * sizeof(c));
	return c;
}

static void *fake_work(void *arg)
{
	struct fake *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->ending) {
		struct completion *c = fake_pick(f);

		if (c == NULL) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		if (!f->held && rng_one_in(&f->rng, 4)) {
			struct rng own = {rng_next(&f->rng)};

			pthread_mutex_unlock(&f->lock);
			dither(&own, 100);
			pthread_mutex_lock(&f->lock);
		}
		if (c->write)
			fake_write(f, c);
		pthread_mutex_unlock(&f->lock);
		c->call(c, c->arg);
		pthread_mutex_lock(&f->lock);
		f->under_way--;
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Answers nothing any more, or all. */
static void fake_hold(bool held)
{
	pthread_mutex_lock(&fake->lock);
	fake->held = held;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

/* Answers the oldest, and waits until that is over. */
static void fake_let_go(void)
{
	pthread_mutex_lock(&fake->lock);
	CHECK(fake->held && fake->queued > 0);
	fake->let_go = 1;
	pthread_cond_broadcast(&fake->changed);
	while (fake->let_go > 0 || fake->under_way > fake->queued)
		pthread_cond_wait(&fake->changed, &fake->lock);
	pthread_mutex_unlock(&fake->lock);
}

static uint64_t fake_begun(void)
{
	uint64_t n;

	pthread_mutex_lock(&fake->lock);
	n = fake->begun;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

static void fake_fail(int n)
{
	pthread_mutex_lock(&fake->lock);
	fake->fails = n;
	pthread_mutex_unlock(&fake->lock);
}

static void fake_refuse(int size, int create, int begin)
{
	pthread_mutex_lock(&fake->lock);
	fake->size_error = size;
	fake->create_error = create;
	fake->begin_error = begin;
	pthread_mutex_unlock(&fake->lock);
}

static void fake_new(uint64_t seed)
{
	fake = calloc(1, sizeof(*fake));
	CHECK(fake != NULL);
	fake->rng.state = seed;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	for (int i = 0; i < FAKE_WORKERS; i++)
		fake->workers[i] = start_thread(fake_work, fake);
}

static void fake_free(void)
{
	pthread_mutex_lock(&fake->lock);
	CHECK(fake->queued == 0 && fake->writings == 0);
	fake->ending = true;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	for (int i = 0; i < FAKE_WORKERS; i++)
		join(fake->workers[i]);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
	free(fake);
}

#endif
