/* Tests of the request loop in C, without a kernel and without a cluster. They are
 * built and run by tests/sanitize, under the sanitizers of the C compiler. */
#include <fcntl.h>

#include "image.h"
#include "kernel.h"

/* Memory, of which there is none while the test says so. */
static int no_memory; /* atomic */

static void *test_malloc(size_t n) { return __atomic_load_n(&no_memory, __ATOMIC_SEQ_CST) ? NULL : malloc(n); }

#define malloc test_malloc
#include "../request.c"
#undef malloc

#define NODE 7
#define PERIOD 4096
#define MEMORY (32ul << 20)

/* What a test uses. */
struct rig {
	struct kernel *k;
	struct rbdfs_gate *gate;
	struct image *m;
	struct rng rng;
};

static struct message message;
static struct answer answer;

static void rig_open(struct rig *r, uint64_t size) { rbdfs_gate_open(r->gate, &image_calls, r->m, PERIOD, size); }

static struct rig rig_with(uint64_t seed, size_t memory, size_t most)
{
	struct rig r = {.k = kernel_new(memory, most), .m = image_new(seed), .rng = {seed}};

	r.gate = rbdfs_gate_new(r.k->loop, NODE);
	CHECK(r.gate != NULL);
	rig_open(&r, IMAGE_SIZE);
	return r;
}

static struct rig rig_new(uint64_t seed, size_t memory) { return rig_with(seed, memory, 4 * memory); }

static void rig_free(struct rig *r)
{
	rbdfs_gate_close(r->gate);
	rbdfs_gate_free(r->gate);
	kernel_end(r->k);
	kernel_free(r->k);
	image_free(r->m);
}

/* --- What is not whole, and what is not for C, is handed on as it is. --- */

static void cut_messages(struct rig *r, uint32_t opcode)
{
	for (size_t len = 1; len < HEAD + 64; len++) {
		size_t whole = make(r->k, &message, opcode, NODE, 0, 64);

		if (len == whole)
			continue;
		want_handed_on(r->k, &message, len);
		message.h.len = (uint32_t)len;
		want_handed_on(r->k, &message, len);
	}
}

static void wrong_lengths(struct rig *r, uint32_t opcode)
{
	static const uint32_t wrong[] = {0, 1, 39, 40, 79, 81, 1000, INT32_MAX, UINT32_MAX};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = make(r->k, &message, opcode, NODE, 0, 100);

		message.h.len = wrong[i];
		want_handed_on(r->k, &message, len);
	}
}

static void wrong_sizes(struct rig *r, uint32_t opcode)
{
	static const uint32_t wrong[] = {0, MAX_IO + 1, IMAGE_SIZE, INT32_MAX, UINT32_MAX - HEAD, UINT32_MAX};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = make(r->k, &message, opcode, NODE, 0, 100);

		message.in.size = wrong[i];
		want_handed_on(r->k, &message, len);
	}
	for (uint32_t size = 99; size <= 101; size += 2) { /* with the data of another size */
		size_t len = make(r->k, &message, FUSE_WRITE, NODE, 0, 100);

		message.in.size = size;
		want_handed_on(r->k, &message, len);
	}
}

static void wrong_offsets(struct rig *r, uint32_t opcode)
{
	static const uint64_t wrong[] = {IMAGE_SIZE - 99, IMAGE_SIZE, IMAGE_SIZE + 1, INT64_MAX,
					 UINT64_MAX - 100, UINT64_MAX - 99, UINT64_MAX - 98, UINT64_MAX};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		want_handed_on(r->k, &message, make(r->k, &message, opcode, NODE, wrong[i], 100));
}

static void wrong_nodes(struct rig *r, uint32_t opcode)
{
	static const uint64_t wrong[] = {0, 1, NODE + BUCKETS, NODE | 1ull << 63, UINT64_MAX};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		want_handed_on(r->k, &message, make(r->k, &message, opcode, wrong[i], 0, 100));
}

static void wrong_opcodes(struct rig *r)
{
	for (uint32_t opcode = 0; opcode < 5000; opcode += opcode < 60 ? 1 : 61) {
		if (opcode == FUSE_READ || opcode == FUSE_WRITE)
			continue;
		want_handed_on(r->k, &message, make(r->k, &message, opcode, NODE, 0, 100));
	}
}

/* An extension behind the message, and a write that is to be on the OSDs. */
static void wrong_flags(struct rig *r)
{
	static const uint32_t sync[] = {O_DSYNC, O_SYNC, O_SYNC | O_RDWR, O_DSYNC | O_APPEND};
	size_t len;

	for (uint32_t opcode = FUSE_READ; opcode <= FUSE_WRITE; opcode++) {
		len = make(r->k, &message, opcode, NODE, 0, 100);
		message.h.total_extlen = 1;
		want_handed_on(r->k, &message, len);
	}
	for (size_t i = 0; i < sizeof(sync) / sizeof(sync[0]); i++) {
		len = make(r->k, &message, FUSE_WRITE, NODE, 0, 100);
		message.in.flags = sync[i];
		want_handed_on(r->k, &message, len);
	}
}

static void test_malformed(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);
	struct rbdfs_passed passed;

	memset(message.data, 0xee, sizeof(message.data));
	for (uint32_t opcode = FUSE_READ; opcode <= FUSE_WRITE; opcode++) {
		cut_messages(&r, opcode);
		wrong_lengths(&r, opcode);
		wrong_sizes(&r, opcode);
		wrong_offsets(&r, opcode);
		wrong_nodes(&r, opcode);
	}
	wrong_opcodes(&r);
	wrong_flags(&r);
	rbdfs_gate_passed(r.gate, &passed);
	CHECK(passed.writes == 0 && passed.writing == 0);
	for (size_t i = 0; i < IMAGE_SIZE; i++)
		CHECK(r.m->data[i] == 0);
	rig_free(&r);
}

/* --- Requests that pass. --- */

static void write_and_read(struct rig *r, uint64_t off, uint32_t size, char byte)
{
	struct fuse_write_out *out = (struct fuse_write_out *)answer.data;
	size_t len = make(r->k, &message, FUSE_WRITE, NODE, off, size);

	memset(message.data, byte, size);
	want_served(r->k, &message, len, &answer);
	CHECK(answer.len == sizeof(*out) && out->size == size);
	want_served(r->k, &message, make(r->k, &message, FUSE_READ, NODE, off, size), &answer);
	CHECK(answer.len == size);
	for (size_t i = 0; i < size; i++)
		CHECK(answer.data[i] == byte);
}

static void test_sizes(uint64_t seed)
{
	static const uint32_t sizes[] = {1, 4095, 4096, 4097, 65535, 65536, 65537, MAX_IO};
	struct rig r = rig_new(seed, MEMORY);
	struct rbdfs_totals t;
	uint64_t n = 0, bytes = 0;

	for (int later = 0; later < 2; later++) {
		r.m->later = later;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			write_and_read(&r, 0, sizes[i], (char)(1 + n));
			write_and_read(&r, IMAGE_SIZE - sizes[i], sizes[i], (char)(2 + n));
			n += 2;
			bytes += 2 * sizes[i];
		}
	}
	rbdfs_gate_close(r.gate);
	rbdfs_loop_totals(r.k->loop, &t);
	CHECK(t.reads == n && t.writes == n && t.read_bytes == bytes && t.written_bytes == bytes && t.redone == 0);
	rig_free(&r);
}

static void fail_in_all_ways(struct rig *r, uint32_t opcode)
{
	for (int later = 0; later < 2; later++) {
		r->m->later = later;
		for (uint32_t size = 2; size <= MAX_IO; size *= 4) {
			__atomic_store_n(&r->k->error, 1, __ATOMIC_SEQ_CST);
			want_handed_on(r->k, &message, make(r->k, &message, opcode, NODE, 0, size));
			CHECK(__atomic_load_n(&r->k->error, __ATOMIC_SEQ_CST) ==
			      (r->m->fate == SHORT ? 0 : r->m->fate == FAILS ? -EIO : 1));
		}
	}
}

/* What fails, is short or is refused is handed on with the bytes that came. */
static void test_failures(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);
	struct rbdfs_totals t;
	struct rbdfs_passed passed;

	memset(message.data, 0xab, sizeof(message.data));
	for (r.m->fate = SHORT; r.m->fate <= REFUSED; r.m->fate++) {
		fail_in_all_ways(&r, FUSE_READ);
		fail_in_all_ways(&r, FUSE_WRITE);
	}
	rbdfs_gate_close(r.gate);
	rbdfs_loop_totals(r.k->loop, &t);
	rbdfs_gate_passed(r.gate, &passed);
	CHECK(t.reads == 0 && t.writes == 0 && t.redone == 2 * 2 * 2 * 9);
	CHECK(passed.writing == 0 && passed.writes == 2 * 2 * 3 * 9);
	rig_free(&r);
}

/* --- Gates. --- */

/* Sends a WRITE that the image holds back, and returns its number. */
static uint64_t held_write(struct rig *r, uint64_t off, uint32_t size)
{
	kernel_send(r->k, &message, make(r->k, &message, FUSE_WRITE, NODE, off, size));
	return message.h.unique;
}

/* Waits until n writes are in the image's hands. */
static void await_queued(struct rig *r, size_t n)
{
	bool there = false;

	while (!there) {
		pthread_mutex_lock(&r->m->lock);
		there = r->m->queued == n;
		pthread_mutex_unlock(&r->m->lock);
		sched_yield();
	}
}

struct closing {
	struct rbdfs_gate *gate;
	int closed; /* atomic */
};

static void *close_gate(void *arg)
{
	struct closing *c = arg;

	rbdfs_gate_close(c->gate);
	__atomic_store_n(&c->closed, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Closing waits for what is in flight, and lets nothing in meanwhile. */
static void close_beside(struct rig *r)
{
	struct closing c = {.gate = r->gate};
	pthread_t closer;

	r->m->later = true;
	image_hold(r->m, true);
	held_write(r, 0, 100);
	held_write(r, 4096, 100);
	await_queued(r, 2);
	closer = start_thread(close_gate, &c);
	do { /* reads pass until the gate is shut */
		kernel_send(r->k, &message, make(r->k, &message, FUSE_READ, NODE, 0, 10));
		kernel_receive(r->k, &answer);
	} while (answer.h.error == 0);
	want_handed_on(r->k, &message, make(r->k, &message, FUSE_WRITE, NODE, 0, 10));
	CHECK(!__atomic_load_n(&c.closed, __ATOMIC_SEQ_CST));
	image_hold(r->m, false);
	join(closer);
	for (int i = 0; i < 2; i++) {
		kernel_receive(r->k, &answer);
		CHECK(answer.h.error == 0 && answer.len == sizeof(struct fuse_write_out));
	}
}

static void test_close(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);

	CHECK(rbdfs_gate_new(r.k->loop, NODE) == NULL);
	close_beside(&r);
	rig_open(&r, IMAGE_SIZE); /* and it serves again */
	write_and_read(&r, 0, 100, 'x');
	rbdfs_gate_shut(r.gate);
	want_handed_on(r.k, &message, make(r.k, &message, FUSE_READ, NODE, 0, 10));
	rig_free(&r);
}

static void give_up(struct rig *r, uint64_t unique)
{
	for (int i = 0; i < 3; i++)
		rbdfs_loop_give_up(r->k->loop, unique);
	kernel_receive(r->k, &answer);
	CHECK(answer.h.error == -EINTR && answer.h.unique == unique && answer.len == 0);
}

/* A request that is given up has one answer, whatever becomes of it. */
static void give_up_once(struct rig *r, enum fate fate)
{
	struct rbdfs_request_info info;
	uint64_t unique;

	r->m->fate = fate;
	image_hold(r->m, true);
	unique = held_write(r, 0, 5000);
	await_queued(r, 1);
	CHECK(rbdfs_loop_find(r->k->loop, unique, &info));
	CHECK(info.unique == unique && info.node == NODE && info.pid == 1);
	CHECK(rbdfs_loop_oldest(r->k->loop, &info) && info.unique == unique);
	CHECK(!rbdfs_loop_find(r->k->loop, unique + 2, &info));
	rbdfs_loop_give_up(r->k->loop, unique + 2);
	give_up(r, unique);
	CHECK(!rbdfs_loop_oldest(r->k->loop, &info)); /* nobody waits */
	CHECK(rbdfs_loop_find(r->k->loop, unique, &info));
	image_hold(r->m, false);
	rbdfs_gate_close(r->gate);
	CHECK(!rbdfs_loop_find(r->k->loop, unique, &info));
	rbdfs_loop_give_up(r->k->loop, unique);
	want_handed_on(r->k, &message, make(r->k, &message, FUSE_READ, NODE, 0, 1)); /* the next there is */
	rig_open(r, IMAGE_SIZE);
}

static struct rig *watched;

static void give_up_newest(void) { rbdfs_loop_give_up(watched->k->loop, message.h.unique); }

/* So has one that the image refuses after it was given up. */
static void give_up_refused(struct rig *r, uint32_t size)
{
	watched = r;
	r->m->look = give_up_newest;
	r->m->fate = REFUSED;
	for (uint32_t opcode = FUSE_READ; opcode <= FUSE_WRITE; opcode++) {
		kernel_send(r->k, &message, make(r->k, &message, opcode, NODE, 0, size));
		kernel_receive(r->k, &answer);
		CHECK(answer.h.error == -EINTR && answer.h.unique == message.h.unique);
	}
	rbdfs_gate_close(r->gate); /* the image has answered, too */
	r->m->look = NULL;
	want_handed_on(r->k, &message, make(r->k, &message, FUSE_READ, NODE, 0, 1)); /* the next there is */
	rig_open(r, IMAGE_SIZE);
}

static void test_give_up(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);

	r.m->later = true;
	give_up_once(&r, WHOLE);
	give_up_once(&r, SHORT);
	give_up_once(&r, FAILS);
	give_up_refused(&r, 100);
	give_up_refused(&r, MAX_IO);
	rig_free(&r);
}

/* --- What a gate tells of writes. --- */

static void want_taken(struct rig *r, uint64_t from, uint64_t off, uint64_t len)
{
	uint64_t at = from, n;

	CHECK(rbdfs_gate_take_written(r->gate, &at, &n));
	CHECK(at == off && n == len);
}

static void want_none_taken(struct rig *r)
{
	uint64_t at = 0, n;

	CHECK(!rbdfs_gate_take_written(r->gate, &at, &n));
}

static void serve_a_write(struct rig *r, uint64_t off, uint32_t size)
{
	want_served(r->k, &message, make(r->k, &message, FUSE_WRITE, NODE, off, size), &answer);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void test_written(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);
	struct rbdfs_passed passed;
	int64_t before = now();

	want_none_taken(&r);
	serve_a_write(&r, 2 * PERIOD + 1, 1);
	rbdfs_gate_passed(r.gate, &passed);
	CHECK(passed.writes == 2 && passed.writing == 0);
	CHECK(before <= passed.at && passed.at <= now());
	want_taken(&r, 0, 2 * PERIOD, PERIOD);
	want_none_taken(&r);
	serve_a_write(&r, 63 * PERIOD + 5, 2 * PERIOD - 5); /* up to a granule's end, over a word's */
	serve_a_write(&r, IMAGE_SIZE - 1, 1);
	want_taken(&r, 0, 63 * PERIOD, PERIOD);
	want_taken(&r, 63 * PERIOD, 64 * PERIOD, PERIOD);
	want_taken(&r, 100 * PERIOD, IMAGE_SIZE - PERIOD, PERIOD);
	want_none_taken(&r);
	serve_a_write(&r, 0, 64 * PERIOD); /* a whole word */
	want_taken(&r, 70, 0, 64 * PERIOD);
	serve_a_write(&r, 10 * PERIOD, PERIOD);
	want_taken(&r, 10 * PERIOD + 9, 10 * PERIOD, PERIOD);
	serve_a_write(&r, 10 * PERIOD, PERIOD);
	uint64_t behind = 11 * PERIOD, n;
	CHECK(!rbdfs_gate_take_written(r.gate, &behind, &n));
	want_taken(&r, 0, 10 * PERIOD, PERIOD);
	rig_free(&r);
}

/* A gate never lets a write pass that it cannot remember: not while the map that it
 * needs for a larger image cannot be exchanged. */
static void test_growth(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);
	const uint64_t large = 8ull << 30;

	r.m->no_data = true;
	r.m->later = true;
	image_hold(r.m, true);
	held_write(&r, 0, 100);
	await_queued(&r, 1);
	rig_open(&r, large); /* with one in flight */
	want_handed_on(r.k, &message, make(r.k, &message, FUSE_WRITE, NODE, large - 100, 100));
	image_hold(r.m, false);
	kernel_receive(r.k, &answer);
	rbdfs_gate_close(r.gate);
	rig_open(&r, large); /* with something to remember */
	want_handed_on(r.k, &message, make(r.k, &message, FUSE_WRITE, NODE, large - 100, 100));
	want_taken(&r, 0, 0, PERIOD);
	rig_open(&r, large);
	serve_a_write(&r, large - 100, 100);
	want_taken(&r, 0, large - PERIOD, PERIOD);
	rig_free(&r);
}

/* Granules are larger for what is so large that the map would be, up to all that
 * an offset can be. */
static void test_huge(uint64_t seed)
{
	static const uint64_t sizes[] = {16ull << 40, 1ull << 60, INT64_MAX, UINT64_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rig r = rig_new(seed, MEMORY);
		uint64_t last = sizes[i] - 100, at = 0, n;

		r.m->no_data = true;
		rbdfs_gate_close(r.gate);
		rig_open(&r, sizes[i]);
		serve_a_write(&r, last, 100);
		CHECK(rbdfs_gate_take_written(r.gate, &at, &n));
		CHECK(at <= last && sizes[i] - 1 - at < n && n < sizes[i] / 1000);
		CHECK(r.gate->words <= 2 * 65536);
		rig_free(&r);
	}
}

/* --- Memory. --- */

/* Wants no more to be admitted than one image may have, and no more lent than there
 * is, and what a reader may have taken last. */
static void watch_memory(void)
{
	struct pool *pool = &watched->k->loop->pool;
	struct shares *all = &watched->k->loop->shares;

	pthread_mutex_lock(&watched->k->loop->lock);
	CHECK(pool->lent <= pool->limit + 2 * READERS * (MAX_IO + 4096));
	CHECK(all->admitted <= (all->limit + all->floor) / 2);
	pthread_mutex_unlock(&watched->k->loop->lock);
}

static void *send_many(void *arg)
{
	static const uint32_t sizes[] = {100, 4096, 60000, MAX_IO};
	static struct message m;
	struct rig *r = arg;

	for (int i = 0; i < 800; i++) {
		uint32_t size = sizes[i / 200];

		kernel_send(r->k, &m, make(r->k, &m, i % 2 ? FUSE_WRITE : FUSE_READ, NODE, 0, size));
	}
	return NULL;
}

/* More is asked than there is memory for, and all of it is answered. */
static void test_memory(uint64_t seed)
{
	struct rig r = rig_new(seed, 2ul << 20);
	pthread_t sender;

	watched = &r;
	r.m->later = true;
	r.m->look = watch_memory;
	sender = start_thread(send_many, &r);
	for (int i = 0; i < 800; i++) {
		kernel_receive(r.k, &answer);
		CHECK(answer.h.error == 0);
	}
	join(sender);
	rig_free(&r);
}

/* While the cluster does not answer, requests come through one by one, and so do
 * interrupts, which are then not behind any limit. */
static void test_patience(uint64_t seed)
{
	struct rig r = rig_new(seed, 1ul << 18);
	const int many = 3;

	r.m->later = true;
	image_hold(r.m, true);
	for (int i = 0; i < many; i++)
		held_write(&r, 0, MAX_IO);
	want_handed_on(r.k, &message, make(r.k, &message, FUSE_INTERRUPT, 0, 0, 0));
	image_hold(r.m, false);
	for (int i = 0; i < many; i++)
		kernel_receive(r.k, &answer);
	rig_free(&r);
}

/* Without memory requests wait in the kernel, and are answered when there is some. */
static void test_no_memory(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);

	r.m->later = true;
	image_hold(r.m, true);
	__atomic_store_n(&no_memory, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < READERS + 1; i++) /* a reader may have some already */
		held_write(&r, 0, MAX_IO);
	while (__atomic_load_n(&r.k->starved, __ATOMIC_SEQ_CST) < 2 * READERS)
		sched_yield();
	__atomic_store_n(&no_memory, 0, __ATOMIC_SEQ_CST);
	await_queued(&r, READERS + 1);
	image_hold(r.m, false);
	for (int i = 0; i < READERS + 1; i++)
		kernel_receive(r.k, &answer);
	rig_free(&r);
}

/* --- Shares: an image that is stuck has its own requests wait, and no others. --- */

#define SHARED (2ul << 20)
#define OTHER 8

/* Fills the share of an image that holds its writes back: many are sent, of which some
 * are begun. Returns how many, when no more are. */
static size_t fill(struct rig *r, int many)
{
	struct shares *all = &r->k->loop->shares;
	size_t begun = 0, waiting = 0;

	r->m->later = true;
	image_hold(r->m, true);
	for (int i = 0; i < many; i++)
		held_write(r, (uint64_t)i * PERIOD, MAX_IO - (uint32_t)many * PERIOD);
	while (begun == 0 || begun + waiting < (size_t)many) {
		pthread_mutex_lock(&r->m->lock);
		begun = r->m->queued;
		pthread_mutex_unlock(&r->m->lock);
		waiting = 0;
		pthread_mutex_lock(&r->k->loop->lock);
		for (struct request *q = all->waiting != NULL ? all->waiting->first : NULL; q != NULL; q = q->behind)
			waiting++;
		pthread_mutex_unlock(&r->k->loop->lock);
	}
	CHECK(waiting > 0);
	return begun;
}

/* Another image is served at once, as often as it likes, and with the largest there is. */
static void serve_other(struct rig *r)
{
	struct rbdfs_gate *gate = rbdfs_gate_new(r->k->loop, OTHER);
	struct image *m = image_new(1);

	rbdfs_gate_open(gate, &image_calls, m, PERIOD, IMAGE_SIZE);
	for (int i = 0; i < 300; i++)
		want_served(r->k, &message, make(r->k, &message, i % 2 ? FUSE_READ : FUSE_WRITE, OTHER, 0, i % 3 ? 4096 : MAX_IO),
			    &answer);
	rbdfs_gate_close(gate);
	rbdfs_gate_free(gate);
	want_handed_on(r->k, &message, make(r->k, &message, FUSE_READ, OTHER, 0, MAX_IO)); /* in Go, too */
	image_free(m);
}

static void receive_all(struct rig *r, int many)
{
	for (int i = 0; i < many; i++) {
		kernel_receive(r->k, &answer);
		CHECK(answer.h.error == 0);
	}
}

/* Wants the image to have begun many writes in the order in which they came. */
static void want_order(struct rig *r, int many)
{
	CHECK(r->m->begun == (size_t)many);
	for (int i = 0; i < many; i++)
		CHECK(r->m->order[i] == (uint64_t)i * PERIOD);
}

/* One reader, so that requests come in the order in which they are sent. */
static struct rig rig_ordered(uint64_t seed)
{
	struct rig r = {.k = kernel_with(SHARED, 64 * SHARED, 1), .m = image_new(seed), .rng = {seed}};

	r.gate = rbdfs_gate_new(r.k->loop, NODE);
	rig_open(&r, IMAGE_SIZE);
	r.m->no_data = true;
	return r;
}

static void test_share(uint64_t seed)
{
	struct rig r = rig_ordered(seed);
	const int many = 40;

	CHECK(fill(&r, many) * (MAX_IO / 2) <= SHARED);
	serve_other(&r);
	image_hold(r.m, false);
	receive_all(&r, many);
	rbdfs_gate_close(r.gate);
	want_order(&r, many);
	rig_free(&r);
}

/* A request that waits and is given up is never begun, and does not hold up others. */
static void test_give_up_waiting(uint64_t seed)
{
	struct rig r = rig_ordered(seed);
	const size_t many = 40;
	size_t begun = fill(&r, many), left;
	struct rbdfs_request_info info;

	CHECK(rbdfs_loop_find(r.k->loop, message.h.unique, &info) && info.node == NODE);
	for (size_t i = many - 1; i > begun; i -= 2)
		give_up(&r, 2 * (i + 1));
	give_up(&r, 2 * (begun + 1)); /* the first of those that wait */
	left = many - (many - begun) / 2 - 1;
	image_hold(r.m, false);
	receive_all(&r, (int)left);
	rbdfs_gate_close(r.gate);
	for (size_t i = begun; i < r.m->begun; i++)
		CHECK(r.m->order[i] / PERIOD != begun && r.m->order[i] / PERIOD % 2 == 0);
	CHECK(r.m->begun == left);
	rig_free(&r);
}

/* What waits when a gate is shut goes to Go when its turn comes, in order; closing
 * does not wait for it. */
static void test_shut_waiting(uint64_t seed)
{
	struct rig r = rig_ordered(seed);
	const int many = 40;
	size_t begun = fill(&r, many), served = 0;
	uint64_t last = 0;

	rbdfs_gate_shut(r.gate);
	image_hold(r.m, false);
	for (int i = 0; i < many; i++) {
		kernel_receive(r.k, &answer);
		if (answer.h.error == 0) {
			served++;
			continue;
		}
		CHECK(answer.h.error == HANDED_ON && answer.h.unique > last && answer.len > MAX_IO / 4);
		last = answer.h.unique;
	}
	CHECK(served == begun);
	rbdfs_gate_close(r.gate);
	CHECK(r.m->begun == begun);
	rig_free(&r);
}

/* Unmounting drops what waits. */
static void test_end_waiting(uint64_t seed)
{
	struct rig r = rig_ordered(seed);
	size_t begun = fill(&r, 40);

	kernel_end(r.k);
	image_hold(r.m, false);
	rbdfs_gate_close(r.gate);
	rbdfs_gate_free(r.gate);
	CHECK(r.m->begun == begun);
	kernel_free(r.k);
	image_free(r.m);
}

/* Many images at once, all stuck, each with something under way. */
static void test_many_shares(uint64_t seed)
{
	struct rig r = rig_new(seed, SHARED);
	const int many = 20;
	struct rbdfs_gate *gates[20];

	r.m->later = true;
	image_hold(r.m, true);
	for (int i = 0; i < many; i++) {
		gates[i] = rbdfs_gate_new(r.k->loop, 100 + (uint64_t)i);
		rbdfs_gate_open(gates[i], &image_calls, r.m, PERIOD, IMAGE_SIZE);
	}
	for (int i = 0; i < 5 * many; i++)
		kernel_send(r.k, &message,
			    make(r.k, &message, FUSE_WRITE, 100 + (uint64_t)i % (uint64_t)many, 0, i < many ? MAX_IO : 65536));
	for (int i = 0; i < many; i++)
		while (__atomic_load_n(&gates[i]->writing, __ATOMIC_SEQ_CST) == 0)
			sched_yield();
	image_hold(r.m, false);
	receive_all(&r, 5 * many);
	for (int i = 0; i < many; i++) {
		rbdfs_gate_close(gates[i]);
		rbdfs_gate_free(gates[i]);
	}
	rig_free(&r);
}

/* --- All at once. --- */

#define SLOT 16384
#define SLOTS (IMAGE_SIZE / SLOT)

/* A part of the image with one request in flight at the most, so that it is known
 * what it holds. */
struct slot {
	bool busy;
	bool lost; /* by a WRITE that was given up */
	bool given_up;
	char fill;
	uint64_t off;
	uint32_t size, opcode;
	uint64_t unique;
};

struct storm {
	struct rig r;
	uint64_t seed;
	struct answer answer;

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t freed;
	size_t sent, received;
	bool over;
	struct slot slots[SLOTS];
	char model[IMAGE_SIZE];
	bool written[IMAGE_SIZE / PERIOD]; /* by way of the gate */
	bool taken[IMAGE_SIZE / PERIOD];
};

static void check_read(const struct storm *s, const struct slot *slot)
{
	CHECK(s->answer.len == slot->size);
	CHECK(memcmp(s->answer.data, s->model + slot->off, slot->size) == 0);
}

static void model_write(struct storm *s, const struct slot *slot)
{
	memset(s->model + slot->off, slot->fill, slot->size);
}

/* Does a WRITE that was handed on, as Go would, after a look at what came. */
static void do_handed_on(struct storm *s, const struct slot *slot)
{
	const struct message *m = (const struct message *)s->answer.data;
	size_t data = slot->opcode == FUSE_WRITE ? slot->size : 0;

	CHECK(s->answer.len == HEAD + data && m->h.opcode == slot->opcode);
	CHECK(m->in.offset == slot->off && m->in.size == slot->size);
	for (size_t i = 0; i < data; i++)
		CHECK(m->data[i] == slot->fill);
	if (data == 0)
		return;
	pthread_mutex_lock(&s->r.m->lock);
	memcpy(s->r.m->data + slot->off, m->data, data);
	pthread_mutex_unlock(&s->r.m->lock);
	model_write(s, slot);
}

static void check_served(struct storm *s, const struct slot *slot)
{
	if (slot->opcode == FUSE_READ) {
		check_read(s, slot);
		return;
	}
	CHECK(((struct fuse_write_out *)s->answer.data)->size == slot->size);
	model_write(s, slot);
	for (uint64_t i = slot->off / PERIOD; i <= (slot->off + slot->size - 1) / PERIOD; i++)
		s->written[i] = true;
}

static void storm_answered(struct storm *s)
{
	struct slot *slot = &s->slots[s->answer.h.unique / 2 % SLOTS];

	CHECK(slot->busy && slot->unique == s->answer.h.unique);
	switch (s->answer.h.error) {
	case 0:
		check_served(s, slot);
		break;
	case HANDED_ON:
		do_handed_on(s, slot);
		break;
	default:
		CHECK(s->answer.h.error == -EINTR && slot->given_up);
		slot->lost = slot->opcode == FUSE_WRITE;
	}
	slot->busy = false;
	slot->given_up = false;
	s->received++;
	pthread_cond_signal(&s->freed);
}

static void *storm_receive(void *arg)
{
	struct storm *s = arg;
	bool over = false;

	while (!over) {
		bool got = kernel_poll(s->r.k, &s->answer, 10);

		pthread_mutex_lock(&s->lock);
		if (got)
			storm_answered(s);
		over = s->over && s->received == s->sent;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* Takes a slot for the next request; the lock is held. */
static struct slot *storm_slot(struct storm *s)
{
	size_t first = rng_below(&s->r.rng, SLOTS);

	for (;;) {
		for (size_t i = 0; i < SLOTS; i++) {
			struct slot *slot = &s->slots[(first + i) % SLOTS];

			if (!slot->busy && !slot->lost)
				return slot;
		}
		pthread_cond_wait(&s->freed, &s->lock);
	}
}

static void storm_send(struct storm *s)
{
	struct rng *rng = &s->r.rng;
	struct slot *slot;
	size_t number, len;

	pthread_mutex_lock(&s->lock);
	slot = storm_slot(s);
	number = (size_t)(slot - s->slots);
	slot->size = 1 + (uint32_t)rng_below(rng, rng_one_in(rng, 2) ? SLOT : 600);
	slot->off = number * SLOT + rng_below(rng, SLOT - slot->size + 1);
	slot->opcode = rng_one_in(rng, 2) ? FUSE_READ : FUSE_WRITE;
	slot->fill = (char)rng_next(rng);
	slot->unique = 2 * (number + SLOTS * ++s->sent);
	slot->busy = true;
	len = make(s->r.k, &message, slot->opcode, NODE, slot->off, slot->size);
	message.h.unique = slot->unique;
	memset(message.data, slot->fill, slot->size);
	pthread_mutex_unlock(&s->lock);
	kernel_send(s->r.k, &message, len);
}

/* Takes what was written, as rbdio.File does before it opens the gate again. */
static void storm_take(struct storm *s)
{
	uint64_t off = 0, len;

	while (rbdfs_gate_take_written(s->r.gate, &off, &len)) {
		CHECK(off % PERIOD == 0 && len % PERIOD == 0);
		for (uint64_t i = off / PERIOD; i < (off + len) / PERIOD && i < IMAGE_SIZE / PERIOD; i++)
			s->taken[i] = true;
		off += len;
	}
}

static void storm_interrupt(struct storm *s, struct rng *rng)
{
	struct slot *slot = &s->slots[rng_below(rng, SLOTS)];
	struct rbdfs_request_info info;
	uint64_t unique = 0;

	pthread_mutex_lock(&s->lock);
	if (slot->busy && (slot->opcode == FUSE_READ || rng_one_in(rng, 50))) {
		slot->given_up = true;
		unique = slot->unique;
	}
	pthread_mutex_unlock(&s->lock);
	rbdfs_loop_find(s->r.k->loop, unique, &info);
	rbdfs_loop_oldest(s->r.k->loop, &info);
	rbdfs_loop_give_up(s->r.k->loop, unique);
}

/* Opens, shuts and closes the gate, and interrupts requests. */
static void *storm_meddle(void *arg)
{
	struct storm *s = arg;
	struct rng rng = {s->seed + 1};
	bool over = false;

	while (!over) {
		storm_interrupt(s, &rng);
		if (rng_one_in(&rng, 20))
			rbdfs_gate_shut(s->r.gate);
		if (rng_one_in(&rng, 20))
			rbdfs_gate_close(s->r.gate);
		storm_take(s);
		rig_open(&s->r, rng_one_in(&rng, 2) ? IMAGE_SIZE : rng_below(&rng, IMAGE_SIZE));
		dither(&rng, 200);
		pthread_mutex_lock(&s->lock);
		over = s->over;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void check_storm(struct storm *s)
{
	storm_take(s);
	for (size_t i = 0; i < IMAGE_SIZE / PERIOD; i++)
		CHECK(s->taken[i] || !s->written[i]);
	for (size_t i = 0; i < SLOTS; i++)
		CHECK(s->slots[i].lost || memcmp(s->r.m->data + i * SLOT, s->model + i * SLOT, SLOT) == 0);
}

/* Random requests, with answers in any order, errors, interrupts, and a gate that
 * opens and closes: what is read is what was written before. */
static void test_storm(uint64_t seed, size_t memory)
{
	struct storm *s = calloc(1, sizeof(*s));
	pthread_t receiver, meddler;

	CHECK(s != NULL);
	s->r = rig_with(seed, memory, MEMORY);
	s->seed = seed;
	s->r.m->later = true;
	s->r.m->fate = ANY;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	receiver = start_thread(storm_receive, s);
	meddler = start_thread(storm_meddle, s);
	for (int i = 0; i < 10000; i++)
		storm_send(s);
	pthread_mutex_lock(&s->lock);
	s->over = true;
	pthread_mutex_unlock(&s->lock);
	join(receiver);
	join(meddler);
	rbdfs_gate_close(s->r.gate);
	check_storm(s);
	rig_free(&s->r);
	free(s);
}

/* --- Anything. --- */

/* Makes a message with some bytes of its head changed, often cut or with wrong
 * lengths. */
static size_t make_garbage(struct rig *r)
{
	struct rng *rng = &r->rng;
	uint32_t opcode = rng_one_in(rng, 2) ? FUSE_READ : FUSE_WRITE;
	uint64_t off = rng_below(rng, IMAGE_SIZE) * (rng_one_in(rng, 2) ? 1 : 100);
	size_t len = make(r->k, &message, opcode, NODE, off, (uint32_t)rng_below(rng, 2000));

	for (size_t n = rng_below(rng, 4); n > 0; n--)
		((unsigned char *)&message)[rng_below(rng, HEAD)] = (unsigned char)rng_next(rng);
	if (rng_one_in(rng, 4))
		len = 1 + rng_below(rng, HEAD + 4000);
	if (rng_one_in(rng, 2))
		message.h.len = (uint32_t)len;
	return len;
}

static void *receive_many(void *arg)
{
	static struct answer a;
	struct rig *r = arg;

	for (int i = 0; i < 20000; i++)
		kernel_receive(r->k, &a);
	CHECK(!kernel_poll(r->k, &a, 0));
	return NULL;
}

/* Each message has one answer, whatever is in it. */
static void test_garbage(uint64_t seed)
{
	struct rig r = rig_new(seed, MEMORY);
	pthread_t receiver = start_thread(receive_many, &r);

	r.m->later = true;
	r.m->fate = ANY;
	for (int i = 0; i < 20000; i++) {
		size_t len = make_garbage(&r);

		kernel_send(r.k, &message, len);
	}
	join(receiver);
	rig_free(&r);
}

int main(int argc, char **argv)
{
	uint64_t seed = seed_of(argc, argv);

	test_malformed(seed);
	test_sizes(seed);
	test_failures(seed);
	test_close(seed);
	test_give_up(seed);
	test_written(seed);
	test_growth(seed);
	test_huge(seed);
	test_memory(seed);
	test_patience(seed);
	test_no_memory(seed);
	test_share(seed);
	test_give_up_waiting(seed);
	test_shut_waiting(seed);
	test_end_waiting(seed);
	test_many_shares(seed);
	test_storm(seed, MEMORY);
	test_storm(seed, 1ul << 17); /* most requests wait for their share */
	test_garbage(seed);
	return 0;
}
