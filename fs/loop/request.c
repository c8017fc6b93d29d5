#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a reader waits for memory to come back. Then it takes more, since the
 * kernel hands out interrupts first, and one of them may end the wait. */
#define PATIENCE_S 1

void pool_init(struct pool *pool, pthread_mutex_t *lock, size_t max_io, size_t limit, size_t keep)
{
	pthread_condattr_t monotonic;

	*pool = (struct pool){
		.room = {[SMALL] = 4096, [MEDIUM] = 65536, [LARGE] = max_io},
		.limit = limit,
		.keep = keep,
		.lock = lock,
	};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->freed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void pool_destroy(struct pool *pool)
{
	pool_trim(pool);
	pthread_cond_destroy(&pool->freed);
}

static size_t memory_of(const struct pool *pool, enum size s)
{
	/* The reply to a READ has a header of its own. */
	return sizeof(struct request) + HEAD + sizeof(struct fuse_out_header) + pool->room[s];
}

/* Returns the smallest size with room for data bytes, or SIZES. */
static enum size size_for(const struct pool *pool, size_t data)
{
	enum size s = SMALL;

	while (s < SIZES && pool->room[s] < data)
		s++;
	return s;
}

size_t pool_memory(const struct pool *pool, size_t data)
{
	enum size s = size_for(pool, data);

	return s < SIZES ? memory_of(pool, s) : 0;
}

/* Takes a free request off the list, or NULL. */
static struct request *take_free_locked(struct pool *pool, enum size s)
{
	struct request *q = pool->free[s];

	if (q != NULL) {
		pool->free[s] = q->next;
		pool->kept -= memory_of(pool, s);
	}
	return q;
}

/* Makes a request of memory bytes where there was no free one; they are lent. */
static struct request *ready(struct pool *pool, struct request *q, enum size s, size_t memory)
{
	if (q == NULL)
		q = malloc(memory);
	if (q == NULL) {
		pthread_mutex_lock(pool->lock);
		pool->lent -= memory;
		pthread_mutex_unlock(pool->lock);
		return NULL;
	}
	q->size = s;
	q->memory = memory;
	q->gate = NULL;
	q->share = NULL;
	q->charge = 0;
	q->waits = false;
	q->answered = 0;
	return q;
}

void pool_trim(struct pool *pool)
{
	struct request *all[SIZES];

	pthread_mutex_lock(pool->lock);
	memcpy(all, pool->free, sizeof(all));
	memset(pool->free, 0, sizeof(pool->free));
	pool->kept = 0;
	pthread_mutex_unlock(pool->lock);
	for (enum size s = 0; s < SIZES; s++)
		while (all[s] != NULL) {
			struct request *q = all[s];

			all[s] = q->next;
			free(q);
		}
}

struct request *pool_take(struct pool *pool, size_t data)
{
	enum size s = size_for(pool, data);
	struct request *q;

	if (s == SIZES)
		return NULL;
	pthread_mutex_lock(pool->lock);
	q = take_free_locked(pool, s);
	pool->lent += memory_of(pool, s);
	pthread_mutex_unlock(pool->lock);
	return ready(pool, q, s, memory_of(pool, s));
}

struct request *pool_make(struct pool *pool, size_t len)
{
	size_t memory = sizeof(struct request) + len;

	pthread_mutex_lock(pool->lock);
	pool->lent += memory;
	pthread_mutex_unlock(pool->lock);
	return ready(pool, NULL, MADE, memory);
}

void pool_add(struct pool *pool, struct request *q, size_t more)
{
	pthread_mutex_lock(pool->lock);
	pool->lent += more;
	pthread_mutex_unlock(pool->lock);
	q->memory += more;
}

void pool_wait(struct pool *pool)
{
	struct timespec until;
	int r = 0;

	pthread_mutex_lock(pool->lock);
	if (pool->lent > pool->limit) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += PATIENCE_S;
		while (r == 0 && pool->lent > pool->limit)
			r = pthread_cond_timedwait(&pool->freed, pool->lock, &until);
	}
	pthread_mutex_unlock(pool->lock);
}

struct request *pool_give_locked(struct pool *pool, struct request *q)
{
	size_t memory;

	if (pool->lent > pool->limit)
		pthread_cond_broadcast(&pool->freed);
	pool->lent -= q->memory;
	if (q->size == MADE)
		return q;
	memory = memory_of(pool, q->size);
	if (pool->kept + memory > pool->keep)
		return q;
	q->next = pool->free[q->size];
	pool->free[q->size] = q;
	pool->kept += memory;
	return NULL;
}

void pool_give(struct pool *pool, struct request *q)
{
	pthread_mutex_lock(pool->lock);
	q = pool_give_locked(pool, q);
	pthread_mutex_unlock(pool->lock);
	free(q);
}
