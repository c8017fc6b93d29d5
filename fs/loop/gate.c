#include "gate.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* The most words of a gate's map: 512 KiB, which is a bit for each 4 MiB of 16 TiB. */
#define MAX_WORDS 65536

static struct rbdfs_gate **bucket_of(struct rbdfs_loop *loop, uint64_t node)
{
	return &loop->gates[node % BUCKETS]; /* nodes are hashes */
}

static struct rbdfs_gate *find_locked(struct rbdfs_loop *loop, uint64_t node)
{
	struct rbdfs_gate *g = *bucket_of(loop, node);

	while (g != NULL && g->node != node)
		g = g->next;
	return g;
}

struct rbdfs_gate *rbdfs_gate_new(struct rbdfs_loop *loop, uint64_t node)
{
	struct rbdfs_gate *g = calloc(1, sizeof(*g));
	bool taken;

	if (g == NULL)
		return NULL;
	g->loop = loop;
	g->node = node;
	pthread_mutex_lock(&loop->lock);
	taken = find_locked(loop, node) != NULL;
	if (!taken) {
		g->next = *bucket_of(loop, node);
		*bucket_of(loop, node) = g;
	}
	pthread_mutex_unlock(&loop->lock);
	if (taken) {
		free(g);
		return NULL;
	}
	return g;
}

void rbdfs_gate_free(struct rbdfs_gate *gate)
{
	struct rbdfs_gate **at = bucket_of(gate->loop, gate->node);

	pthread_mutex_lock(&gate->loop->lock);
	while (*at != gate)
		at = &(*at)->next;
	*at = gate->next;
	pthread_mutex_unlock(&gate->loop->lock);
	free(gate->map);
	free(gate);
}

static bool map_empty(const struct rbdfs_gate *g)
{
	for (uint64_t i = 0; i < g->words; i++)
		if (__atomic_load_n(&g->map[i], __ATOMIC_SEQ_CST) != 0)
			return false;
	return true;
}

/* Returns how many bytes the map reaches, up to size, after making a larger one if
 * that can be. */
static uint64_t reach_locked(struct rbdfs_gate *g, uint64_t period, uint64_t size)
{
	uint64_t granule = period, words;
	uint64_t *map;

	if (g->words * 64 >= size / g->granule + 1)
		return size;
	while (size / granule / 64 >= MAX_WORDS)
		granule *= 2;
	words = 2 * (size / granule / 64 + 1); /* it may grow while requests pass */
	map = g->in_flight == 0 && map_empty(g) ? calloc(words, sizeof(*map)) : NULL;
	if (map == NULL)
		return g->words * 64 * g->granule;
	free(g->map);
	g->map = map;
	g->words = words;
	g->granule = granule;
	return size;
}

void rbdfs_gate_open(struct rbdfs_gate *gate, const struct rbdfs_io_calls *calls, void *image,
		     uint64_t period, uint64_t size)
{
	pthread_mutex_lock(&gate->loop->lock);
	if (gate->granule == 0)
		gate->granule = period;
	gate->size = reach_locked(gate, period, size);
	if (gate->image != image || gate->calls != calls) { /* who is in flight reads them without the lock */
		gate->calls = calls;
		gate->image = image;
	}
	gate->open = true;
	pthread_mutex_unlock(&gate->loop->lock);
}

void rbdfs_gate_shut(struct rbdfs_gate *gate)
{
	pthread_mutex_lock(&gate->loop->lock);
	gate->open = false;
	pthread_mutex_unlock(&gate->loop->lock);
}

void rbdfs_gate_close(struct rbdfs_gate *gate)
{
	struct rbdfs_loop *loop = gate->loop;

	pthread_mutex_lock(&loop->lock);
	gate->open = false;
	while (gate->in_flight > 0)
		pthread_cond_wait(&loop->idle, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void list_locked(struct rbdfs_loop *loop, struct request *q)
{
	q->next = NULL;
	q->prev = loop->newest;
	*(q->prev != NULL ? &q->prev->next : &loop->oldest) = q;
	loop->newest = q;
}

void unlist_locked(struct rbdfs_loop *loop, struct request *q)
{
	*(q->prev != NULL ? &q->prev->next : &loop->oldest) = q->next;
	*(q->next != NULL ? &q->next->prev : &loop->newest) = q->prev;
}

struct request *request_end_locked(struct request *q)
{
	struct rbdfs_loop *loop = q->loop;

	share_give_locked(&loop->shares, q);
	return pool_give_locked(&loop->pool, q);
}

void request_end(struct request *q)
{
	struct rbdfs_loop *loop = q->loop;

	pthread_mutex_lock(&loop->lock);
	q = request_end_locked(q);
	pthread_mutex_unlock(&loop->lock);
	free(q);
}

bool gate_enter(struct rbdfs_loop *loop, struct request *q, uint64_t off, size_t len)
{
	struct rbdfs_gate *g;

	pthread_mutex_lock(&loop->lock);
	g = find_locked(loop, header_of(q)->nodeid);
	if (g == NULL || !g->open || off > g->size || len > g->size - off) {
		pthread_mutex_unlock(&loop->lock);
		return false;
	}
	g->in_flight++;
	q->gate = g;
	list_locked(loop, q);
	pthread_mutex_unlock(&loop->lock);
	return true;
}

static void leave_locked(struct rbdfs_gate *g)
{
	if (--g->in_flight == 0 && !g->open)
		pthread_cond_broadcast(&g->loop->idle);
}

void gate_leave(struct request *q)
{
	struct rbdfs_loop *loop = q->loop;

	pthread_mutex_lock(&loop->lock);
	unlist_locked(loop, q);
	leave_locked(q->gate);
	pthread_mutex_unlock(&loop->lock);
}

void gate_retire(struct request *q, const struct rbdfs_totals *add)
{
	struct rbdfs_loop *loop = q->loop;
	struct rbdfs_totals *t = &loop->totals;
	struct rbdfs_gate *g = q->gate;

	pthread_mutex_lock(&loop->lock);
	unlist_locked(loop, q);
	t->reads += add->reads;
	t->read_bytes += add->read_bytes;
	t->read_ns += add->read_ns;
	t->writes += add->writes;
	t->written_bytes += add->written_bytes;
	t->write_ns += add->write_ns;
	q = request_end_locked(q);
	leave_locked(g); /* the last use of the loop */
	pthread_mutex_unlock(&loop->lock);
	free(q);
}

void gate_redo(struct request *q, int error)
{
	struct rbdfs_loop *loop = q->loop;
	struct rbdfs_gate *g = q->gate;

	pthread_mutex_lock(&loop->lock);
	unlist_locked(loop, q);
	loop->totals.redone++;
	pthread_mutex_unlock(&loop->lock);
	loop->redo(loop->handle, q->message, q->len, error);
	pthread_mutex_lock(&loop->lock);
	leave_locked(g);
	pthread_mutex_unlock(&loop->lock);
}

static void moved(struct rbdfs_gate *g)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	__atomic_store_n(&g->at, now.tv_sec * 1000000000ll + now.tv_nsec, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&g->writes, 1, __ATOMIC_SEQ_CST);
}

/* The order matters to rbdio.File: writing before writes, writes before the map. */
void gate_writes(struct rbdfs_gate *g, uint64_t off, size_t len)
{
	uint64_t last = (off + len - 1) / g->granule;

	__atomic_add_fetch(&g->writing, 1, __ATOMIC_SEQ_CST);
	moved(g);
	for (uint64_t bit = off / g->granule; bit <= last; bit++)
		__atomic_or_fetch(&g->map[bit / 64], 1ull << bit % 64, __ATOMIC_SEQ_CST);
}

void gate_wrote(struct rbdfs_gate *g)
{
	moved(g);
	__atomic_sub_fetch(&g->writing, 1, __ATOMIC_SEQ_CST);
}

void rbdfs_gate_passed(struct rbdfs_gate *gate, struct rbdfs_passed *passed)
{
	passed->writes = __atomic_load_n(&gate->writes, __ATOMIC_SEQ_CST);
	passed->writing = __atomic_load_n(&gate->writing, __ATOMIC_SEQ_CST);
	passed->at = __atomic_load_n(&gate->at, __ATOMIC_SEQ_CST);
}

bool rbdfs_gate_take_written(struct rbdfs_gate *gate, uint64_t *off, uint64_t *len)
{
	uint64_t first = *off / gate->granule;

	for (uint64_t i = first / 64; i < gate->words; i++) {
		uint64_t mine = i == first / 64 ? ~0ull << first % 64 : ~0ull;
		uint64_t bits = __atomic_load_n(&gate->map[i], __ATOMIC_SEQ_CST) & mine;
		uint64_t run;

		if (bits == 0)
			continue;
		*off = (i * 64 + (uint64_t)__builtin_ctzll(bits)) * gate->granule;
		bits >>= __builtin_ctzll(bits);
		run = ~bits != 0 ? (uint64_t)__builtin_ctzll(~bits) : 64;
		*len = run * gate->granule;
		mine = run == 64 ? ~0ull : ((1ull << run) - 1) << *off / gate->granule % 64;
		__atomic_and_fetch(&gate->map[i], ~mine, __ATOMIC_SEQ_CST);
		return true;
	}
	return false;
}
