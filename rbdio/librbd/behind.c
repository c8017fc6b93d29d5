#include "behind.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Writes under way are found by the blocks that they touch, hashed into buckets. */
#define BLOCK (1ul << 20)
#define BUCKETS 256

/* Puts a write into the bucket of one of its blocks. */
struct link {
	struct pending *write;
	struct link *next;
	struct link **from; /* what points to this one */
};

/* A write that waits for its turn or is under way, in a list of its rbdfs_behind,
 * the oldest first. */
struct pending {
	struct rbdfs_behind *behind;
	struct pending *next;
	struct pending *prev; /* only under way */
	uint64_t begin;
	uint64_t end;
	uint64_t number;
	bool waits;
	bool through;        /* is acknowledged when it is over, and not when it begins */
	bool over;           /* with result; only for one through whose thread waits */
	int result;
	struct rbdfs_io *io; /* to be told; NULL when the one that writes waits itself */
	struct pending *ready;
	size_t blocks;
	struct link links[];
};

struct rbdfs_behind {
	rbd_image_t image;
	size_t limit;
	struct rbdfs_behind_total *total;

	pthread_mutex_t lock; /* guards the rest; not held across a call of librbd */
	pthread_cond_t changed;
	struct pending *oldest; /* under way */
	struct pending *newest;
	struct link *buckets[BUCKETS];
	struct pending *waiting; /* only while others are under way */
	struct pending **waiting_end;
	size_t bytes;    /* under way */
	uint64_t number; /* of the newest write */
	bool failing;    /* a write was lost since the last flush */
	uint64_t lost;   /* writes that failed after they were acknowledged; never less */
	int lost_error;  /* of the last of them */
};

struct rbdfs_behind *rbdfs_behind_new(rbd_image_t image, size_t limit, struct rbdfs_behind_total *total)
{
	struct rbdfs_behind *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->image = image;
	b->limit = limit;
	b->total = total;
	b->waiting_end = &b->waiting;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	return b;
}

static size_t bucket_of(uint64_t block)
{
	return (block * 0x9e3779b97f4a7c15u) >> 56; /* BUCKETS is 1 << 8 */
}

static size_t blocks_of(uint64_t begin, uint64_t end)
{
	return begin < end ? (end - 1) / BLOCK - begin / BLOCK + 1 : 0;
}

static bool list_overlaps(const struct rbdfs_behind *b, uint64_t begin, uint64_t end)
{
	for (const struct pending *p = b->oldest; p != NULL; p = p->next)
		if (p->begin < end && begin < p->end)
			return true;
	return false;
}

static bool overlaps(const struct rbdfs_behind *b, uint64_t begin, uint64_t end)
{
	size_t blocks = blocks_of(begin, end);

	if (b->oldest == NULL)
		return false;
	if (blocks > BUCKETS)
		return list_overlaps(b, begin, end);
	for (size_t i = 0; i < blocks; i++)
		for (const struct link *l = b->buckets[bucket_of(begin / BLOCK + i)]; l != NULL; l = l->next)
			if (l->write->begin < end && begin < l->write->end)
				return true;
	return false;
}

/* Makes a write of [begin, end) for io, if any. NULL without memory. */
static struct pending *pending_new(struct rbdfs_behind *b, uint64_t begin, uint64_t end, struct rbdfs_io *io)
{
	size_t blocks = blocks_of(begin, end);
	struct pending *p = malloc(sizeof(*p) + blocks * sizeof(p->links[0]));

	if (p == NULL)
		return NULL;
	p->behind = b;
	p->begin = begin;
	p->end = end;
	p->over = false;
	p->io = io;
	p->blocks = blocks;
	return p;
}

/* Tells whether a write can begin now. */
static bool has_turn(const struct rbdfs_behind *b, const struct pending *p)
{
	size_t len = p->end - p->begin;

	if (overlaps(b, p->begin, p->end))
		return false;
	if (b->oldest == NULL)
		return true;
	if (b->bytes + len > b->limit)
		return false;
	return b->bytes + len <= b->total->share ||
	       __atomic_load_n(&b->total->bytes, __ATOMIC_RELAXED) + len <= b->total->limit;
}

/* Puts a write on the list and into the buckets. */
static void enlist(struct pending *p)
{
	struct rbdfs_behind *b = p->behind;

	p->number = ++b->number;
	p->next = NULL;
	p->prev = b->newest;
	if (p->prev != NULL)
		p->prev->next = p;
	else
		b->oldest = p;
	b->newest = p;
	for (size_t i = 0; i < p->blocks; i++) {
		struct link **head = &b->buckets[bucket_of(p->begin / BLOCK + i)];
		struct link *l = &p->links[i];

		l->write = p;
		l->from = head;
		l->next = *head;
		if (l->next != NULL)
			l->next->from = &l->next;
		*head = l;
	}
	b->bytes += p->end - p->begin;
	__atomic_add_fetch(&b->total->bytes, p->end - p->begin, __ATOMIC_RELAXED);
}

/* Is the inverse of enlist. */
static void delist(struct pending *p)
{
	struct rbdfs_behind *b = p->behind;

	*(p->prev != NULL ? &p->prev->next : &b->oldest) = p->next;
	*(p->next != NULL ? &p->next->prev : &b->newest) = p->prev;
	for (size_t i = 0; i < p->blocks; i++) {
		struct link *l = &p->links[i];

		*l->from = l->next;
		if (l->next != NULL)
			l->next->from = l->from;
	}
	b->bytes -= p->end - p->begin;
	__atomic_sub_fetch(&b->total->bytes, p->end - p->begin, __ATOMIC_RELAXED);
}

/* Gives a write its turn. While writes fail, each hears of its own error itself. */
static void give_turn(struct pending *p)
{
	p->waits = false;
	p->through = p->behind->failing;
	enlist(p);
}

/* Gives a write its turn, or puts it behind those that wait for theirs. */
static void line_up(struct pending *p)
{
	struct rbdfs_behind *b = p->behind;

	if (b->waiting == NULL && has_turn(b, p)) {
		give_turn(p);
		return;
	}
	p->waits = true;
	p->next = NULL;
	*b->waiting_end = p;
	b->waiting_end = &p->next;
}

/* Admits waiting writes. Returns those that carry an io; blocked callers wake up by
 * changed. */
static struct pending *take_ready(struct rbdfs_behind *b)
{
	struct pending *first = NULL, **last = &first;

	while (b->waiting != NULL && has_turn(b, b->waiting)) {
		struct pending *p = b->waiting;

		b->waiting = p->next;
		give_turn(p);
		if (p->io == NULL)
			continue;
		p->ready = NULL;
		*last = p;
		last = &p->ready;
	}
	if (b->waiting == NULL)
		b->waiting_end = &b->waiting;
	return first;
}

static void start_all(struct pending *ready);

/* Takes a write off the list, and lets others begin. Frees the write, unless its
 * thread waits for the result. */
static void finish(struct pending *p, int error)
{
	struct rbdfs_behind *b = p->behind;
	bool waited_for = p->through && p->io == NULL;
	struct pending *ready;

	pthread_mutex_lock(&b->lock);
	if (error < 0 && !p->through) {
		b->failing = true;
		b->lost++;
		b->lost_error = error;
	}
	delist(p);
	ready = take_ready(b);
	p->result = error;
	p->over = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	if (!waited_for)
		free(p);
	start_all(ready); /* b is used no more, but for those of them that are in its list */
}

static void written(rbd_completion_t completion, void *arg)
{
	struct pending *p = arg;
	struct rbdfs_io *io = p->through ? p->io : NULL;
	int r = rbd_aio_get_return_value(completion);

	rbd_aio_release(completion);
	finish(p, r);
	if (io != NULL)
		io->done(io, r < 0 ? r : (ssize_t)io->len);
}

/* Has librbd write what has its turn. Returns 0, or a negative errno and p is gone.
 * After 0, p is the completion's. */
static int start(struct pending *p, const char *buf)
{
	rbd_completion_t completion;
	int r = rbd_aio_create_completion(p, written, &completion);

	if (r == 0) {
		r = rbd_aio_write(p->behind->image, p->begin, p->end - p->begin, buf, completion);
		if (r < 0)
			rbd_aio_release(completion);
	}
	if (r < 0) {
		p->through = false; /* nobody waits for it */
		finish(p, 0);
	}
	return r < 0 ? r : 0;
}

static void start_all(struct pending *ready)
{
	while (ready != NULL) {
		struct pending *next = ready->ready;
		struct rbdfs_io *io = ready->io;
		bool through = ready->through;
		int r = start(ready, io->buf);

		if (r < 0 || !through)
			io->done(io, r < 0 ? r : (ssize_t)io->len);
		ready = next;
	}
}

/* Makes a write to a range, which must be inside the image. */
static int prepare(struct rbdfs_behind *b, uint64_t off, size_t len, struct rbdfs_io *io, struct pending **p)
{
	uint64_t size;
	int r = rbd_get_size(b->image, &size);

	if (r < 0)
		return r;
	if (off > size || len > size - off)
		return -EINVAL;
	*p = pending_new(b, off, off + len, io);
	return *p == NULL ? -ENOMEM : 0;
}

/* Waits until a write through is over. Returns its result, and frees it. */
static int await_result(struct rbdfs_behind *b, struct pending *p)
{
	int r;

	pthread_mutex_lock(&b->lock);
	while (!p->over)
		pthread_cond_wait(&b->changed, &b->lock);
	r = p->result;
	pthread_mutex_unlock(&b->lock);
	free(p);
	return r;
}

int rbdfs_behind_write(struct rbdfs_behind *b, uint64_t off, size_t len, const char *buf)
{
	struct pending *p;
	bool through;
	int r = prepare(b, off, len, NULL, &p);

	if (r < 0)
		return r;
	pthread_mutex_lock(&b->lock);
	line_up(p);
	while (p->waits)
		pthread_cond_wait(&b->changed, &b->lock);
	through = p->through;
	pthread_mutex_unlock(&b->lock);
	r = start(p, buf);
	return r == 0 && through ? await_result(b, p) : r;
}

int rbdfs_behind_submit(struct rbdfs_behind *b, struct rbdfs_io *io)
{
	struct pending *p;
	bool waits, through;
	int r = prepare(b, io->off, io->len, io, &p);

	if (r < 0)
		return r;
	pthread_mutex_lock(&b->lock);
	line_up(p);
	waits = p->waits;
	through = !waits && p->through;
	pthread_mutex_unlock(&b->lock);
	if (waits)
		return 0;
	r = start(p, io->buf);
	if (r == 0 && !through)
		io->done(io, (ssize_t)io->len);
	return r;
}

bool rbdfs_behind_busy(struct rbdfs_behind *b, uint64_t off, uint64_t len)
{
	bool busy;

	pthread_mutex_lock(&b->lock);
	busy = overlaps(b, off, off + len);
	pthread_mutex_unlock(&b->lock);
	return busy;
}

void rbdfs_behind_await(struct rbdfs_behind *b, uint64_t off, uint64_t len)
{
	pthread_mutex_lock(&b->lock);
	while (overlaps(b, off, off + len))
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

void rbdfs_behind_flush(struct rbdfs_behind *b)
{
	uint64_t number;

	pthread_mutex_lock(&b->lock);
	number = b->number;
	while (b->oldest != NULL && b->oldest->number <= number)
		pthread_cond_wait(&b->changed, &b->lock);
	b->failing = false;
	pthread_mutex_unlock(&b->lock);
}

uint64_t rbdfs_behind_lost(struct rbdfs_behind *b, int *error)
{
	uint64_t lost;

	pthread_mutex_lock(&b->lock);
	lost = b->lost;
	*error = b->lost_error;
	pthread_mutex_unlock(&b->lock);
	return lost;
}

void rbdfs_behind_free(struct rbdfs_behind *b)
{
	rbdfs_behind_await(b, 0, UINT64_MAX);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->changed);
	free(b);
}
