/* Tests of writing behind, and of what a request loop in C calls, without librbd.
 * They are built and run by tests/sanitize, under the sanitizers of the C compiler. */
#include <pthread.h>

static int threads_waiting; /* atomic: in behind.c */

static int counted_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	int r;

	__atomic_add_fetch(&threads_waiting, 1, __ATOMIC_SEQ_CST);
	r = pthread_cond_wait(cond, lock);
	__atomic_sub_fetch(&threads_waiting, 1, __ATOMIC_SEQ_CST);
	return r;
}

#define pthread_cond_wait counted_wait
#include "../behind.c" /* to see who waits */
#undef pthread_cond_wait

#include "../direct.h"
#include "fakerbd.h"

#define LIMIT 1000
#define PLENTY (1ul << 30)

static char zeros[FAKE_SIZE];

/* A request, and how it ended. */
struct call {
	struct rbdfs_io io;
	int ended; /* atomic: how often, */
	int place; /* and after how many others */
	ssize_t result;
};

static int places; /* atomic */

static void ended(struct rbdfs_io *io, ssize_t result)
{
	struct call *c = (struct call *)((char *)io - offsetof(struct call, io));

	c->result = result;
	c->place = __atomic_add_fetch(&places, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&c->ended, 1, __ATOMIC_SEQ_CST);
}

static int ends(struct call *c) { return __atomic_load_n(&c->ended, __ATOMIC_SEQ_CST); }

static void await_end(struct call *c)
{
	while (ends(c) == 0)
		sched_yield();
	CHECK(ends(c) == 1);
}

static struct call call_of(uint64_t off, size_t len)
{
	return (struct call){.io = {.off = off, .len = len, .buf = zeros, .done = ended}};
}

static int submit(struct rbdfs_behind *b, struct call *c, uint64_t off, size_t len)
{
	*c = call_of(off, len);
	return rbdfs_behind_submit(b, &c->io);
}

/* Wants a write to begin, and to be acknowledged, at once. */
static void want_begun(struct rbdfs_behind *b, uint64_t off, size_t len)
{
	uint64_t before = fake_begun();
	struct call c;

	CHECK(submit(b, &c, off, len) == 0);
	CHECK(ends(&c) == 1 && c.result == (ssize_t)len && fake_begun() == before + 1);
}

static void want_waiting(struct rbdfs_behind *b, struct call *c, uint64_t off, size_t len)
{
	uint64_t before = fake_begun();

	CHECK(submit(b, c, off, len) == 0);
	CHECK(ends(c) == 0 && fake_begun() == before);
}

struct rig {
	struct rbdfs_behind_total total;
	struct rbdfs_behind *b;
};

static void rig_new(struct rig *r, uint64_t seed, size_t limit, size_t total)
{
	fake_new(seed);
	*r = (struct rig){.total = {.limit = total}};
	r->b = rbdfs_behind_new(fake, limit, &r->total);
	CHECK(r->b != NULL);
}

static void rig_free(struct rig *r)
{
	fake_hold(false);
	rbdfs_behind_free(r->b);
	CHECK(r->total.bytes == 0);
	fake_free();
}

/* A thread in a call that waits. */
struct waiter {
	struct rbdfs_behind *b;
	uint64_t off;
	size_t len;
	int result;
	int over; /* atomic */
};

static void waited(struct waiter *w, int result)
{
	w->result = result;
	__atomic_store_n(&w->over, 1, __ATOMIC_SEQ_CST);
}

static void *wait_write(void *arg)
{
	struct waiter *w = arg;

	waited(w, rbdfs_behind_write(w->b, w->off, w->len, zeros));
	return NULL;
}

static void *wait_flush(void *arg)
{
	struct waiter *w = arg;

	rbdfs_behind_flush(w->b);
	waited(w, 0);
	return NULL;
}

static void *wait_await(void *arg)
{
	struct waiter *w = arg;

	rbdfs_behind_await(w->b, w->off, w->len);
	waited(w, 0);
	return NULL;
}

static void *wait_free(void *arg)
{
	struct waiter *w = arg;

	rbdfs_behind_free(w->b);
	waited(w, 0);
	return NULL;
}

static bool over(struct waiter *w) { return __atomic_load_n(&w->over, __ATOMIC_SEQ_CST) != 0; }

/* Waits until so many threads wait for something. */
static void await_threads(int n)
{
	while (__atomic_load_n(&threads_waiting, __ATOMIC_SEQ_CST) != n)
		sched_yield();
}

/* Waits until librbd was given so many requests. */
static void await_begun(uint64_t n)
{
	while (fake_begun() != n)
		sched_yield();
}

/* Waits until a write is the last of those that wait for their turn. */
static void await_waiting(struct rbdfs_behind *b, uint64_t off)
{
	bool there = false;

	while (!there) {
		pthread_mutex_lock(&b->lock);
		for (struct pending *p = b->waiting; p != NULL; p = p->next)
			there = p->begin == off;
		pthread_mutex_unlock(&b->lock);
		sched_yield();
	}
}

/* --- Order. --- */

/* What touches the same bytes waits, and what comes behind waits with it. */
static void test_overlap(uint64_t seed)
{
	struct call second, third;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	fake_hold(true);
	want_begun(r.b, 0, 100);
	want_begun(r.b, 100, 100);
	want_waiting(r.b, &second, 99, 2);
	want_waiting(r.b, &third, 1000, 10);
	fake_let_go();
	CHECK(ends(&second) == 0 && ends(&third) == 0);
	fake_let_go();
	CHECK(ends(&second) == 1 && ends(&third) == 1 && second.place < third.place);
	CHECK(second.result == 2 && third.result == 10);
	rig_free(&r);
}

/* All who write have one queue. */
static void test_queue(uint64_t seed)
{
	struct waiter w = {.off = 200, .len = LIMIT - 5};
	struct call before, after;
	pthread_t thread;
	struct rig r;

	rig_new(&r, seed, LIMIT, PLENTY);
	fake_hold(true);
	want_begun(r.b, 0, 100);
	want_waiting(r.b, &before, 50, 10);
	w.b = r.b;
	thread = start_thread(wait_write, &w);
	await_waiting(r.b, 200);
	want_waiting(r.b, &after, 100, 50); /* there would be room for it */
	fake_let_go();
	CHECK(ends(&before) == 1 && !over(&w) && ends(&after) == 0 && fake_begun() == 2);
	fake_let_go();
	join(thread);
	CHECK(w.result == 0 && fake_begun() == 3);
	fake_let_go();
	CHECK(ends(&after) == 1);
	rig_free(&r);
}

static void test_limits(uint64_t seed)
{
	struct rbdfs_behind *other;
	struct call c, d;
	struct rig r;

	rig_new(&r, seed, LIMIT, 2 * LIMIT);
	other = rbdfs_behind_new(fake, 5 * LIMIT, &r.total);
	fake_hold(true);
	want_begun(r.b, 0, LIMIT - 1);
	want_begun(r.b, LIMIT, 1);
	want_waiting(r.b, &c, 2 * LIMIT, 1);
	want_begun(other, 3 * LIMIT, 5 * LIMIT); /* the first of an image always begins */
	want_waiting(other, &d, 9 * LIMIT, 1);
	fake_let_go();
	CHECK(ends(&c) == 0); /* all images together are over their total */
	fake_let_go();
	CHECK(ends(&c) == 1); /* but it is the first again */
	CHECK(ends(&d) == 0);
	fake_let_go();
	CHECK(ends(&d) == 1);
	fake_hold(false);
	rbdfs_behind_free(other);
	rig_free(&r);
}

/* --- Who waits for what. --- */

static void test_busy(uint64_t seed)
{
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	CHECK(!rbdfs_behind_busy(r.b, 0, UINT64_MAX));
	fake_hold(true);
	want_begun(r.b, BLOCK - 10, 20); /* in two blocks */
	CHECK(rbdfs_behind_busy(r.b, BLOCK - 10, 1) && rbdfs_behind_busy(r.b, BLOCK + 9, 1));
	CHECK(!rbdfs_behind_busy(r.b, BLOCK - 11, 1) && !rbdfs_behind_busy(r.b, BLOCK + 10, 1));
	CHECK(rbdfs_behind_busy(r.b, 0, FAKE_SIZE) && rbdfs_behind_busy(r.b, 0, UINT64_MAX));
	CHECK(!rbdfs_behind_busy(r.b, 0, 0) && !rbdfs_behind_busy(r.b, 2 * BLOCK, PLENTY));
	rig_free(&r);
}

/* Blocks that share a bucket, and offsets up to the last there is. */
static void test_buckets(uint64_t seed)
{
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	fake->no_data = true;
	fake_hold(true);
	for (uint64_t i = 0; i < 1000; i++)
		want_begun(r.b, i * 7 * BLOCK, 1);
	want_begun(r.b, UINT64_MAX - 100, 100);
	for (uint64_t i = 0; i < 1000; i++) {
		CHECK(rbdfs_behind_busy(r.b, i * 7 * BLOCK, 1));
		CHECK(!rbdfs_behind_busy(r.b, i * 7 * BLOCK + 1, 7 * BLOCK - 1));
	}
	CHECK(rbdfs_behind_busy(r.b, UINT64_MAX - 1, 1));
	CHECK(!rbdfs_behind_busy(r.b, UINT64_MAX - 101, 1));
	rig_free(&r);
}

/* Runs wait while two writes are held, and wants it to return with the second. */
static void waits_for_second(uint64_t seed, void *(*wait)(void *), bool frees)
{
	struct waiter w = {.off = 500, .len = 10};
	pthread_t thread;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	fake_hold(true);
	want_begun(r.b, 0, 100);
	want_begun(r.b, 500, 100);
	w.b = r.b;
	thread = start_thread(wait, &w);
	await_threads(1);
	fake_let_go();
	await_threads(1);
	CHECK(!over(&w));
	if (!frees)
		want_begun(r.b, 1000, 100); /* it does not wait for what comes later */
	fake_let_go();
	join(thread);
	CHECK(over(&w) && w.result == 0);
	CHECK(frees || rbdfs_behind_busy(r.b, 1000, 100));
	if (frees)
		fake_free();
	else
		rig_free(&r);
}

static void test_waiting(uint64_t seed)
{
	struct rig r;

	waits_for_second(seed, wait_flush, false);
	waits_for_second(seed, wait_await, false);
	waits_for_second(seed, wait_free, true);
	rig_new(&r, seed, PLENTY, PLENTY);
	rbdfs_behind_flush(r.b); /* and not when there is nothing */
	rbdfs_behind_await(r.b, 0, UINT64_MAX);
	fake_hold(true);
	want_begun(r.b, 0, 100);
	rbdfs_behind_await(r.b, 100, 100); /* nor for other bytes */
	rig_free(&r);
}

/* --- Errors. --- */

/* Makes the write that is under way fail. */
static void fail_one(void)
{
	fake_fail(1);
	fake_let_go();
}

static void want_lost(struct rbdfs_behind *b, uint64_t count)
{
	int error;

	CHECK(rbdfs_behind_lost(b, &error) == count);
	CHECK(error == (count > 0 ? -EIO : 0));
}

/* A lost write is counted for good. Until the next flush, writes are over when librbd
 * has written them, and have their own result. */
static void test_error(uint64_t seed)
{
	struct waiter w = {.off = 2000, .len = 10};
	struct call c, waits;
	pthread_t thread;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	w.b = r.b;
	fake_hold(true);
	want_begun(r.b, 0, 100);
	want_waiting(r.b, &waits, 0, 10);
	thread = start_thread(wait_write, &w);
	await_waiting(r.b, 2000);
	want_lost(r.b, 0);
	fail_one(); /* both of the others begin */
	want_lost(r.b, 1);
	await_begun(3);
	CHECK(ends(&waits) == 0 && !over(&w));
	fail_one();
	fake_let_go();
	await_end(&waits);
	join(thread);
	CHECK((waits.result == -EIO) != (w.result == -EIO)); /* whichever began first */
	CHECK(waits.result == -EIO || waits.result == 10);
	want_lost(r.b, 1); /* its writer knows */
	CHECK(submit(r.b, &c, 0, 10) == 0 && ends(&c) == 0);
	fake_let_go();
	await_end(&c);
	CHECK(c.result == 10);
	rbdfs_behind_flush(r.b);
	want_begun(r.b, 0, 100);
	want_lost(r.b, 1);
	rig_free(&r);
}

/* A flush takes no error away, and flushes beside each other wait for the same. */
static void test_error_of_two(uint64_t seed)
{
	struct waiter w[2];
	pthread_t threads[2];
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	fake_hold(true);
	want_begun(r.b, 0, 100);
	want_begun(r.b, 100, 100);
	for (int i = 0; i < 2; i++) {
		w[i] = (struct waiter){.b = r.b};
		threads[i] = start_thread(wait_flush, &w[i]);
	}
	await_threads(2);
	fail_one();
	CHECK(!over(&w[0]) && !over(&w[1]));
	fail_one();
	for (int i = 0; i < 2; i++) {
		join(threads[i]);
		want_lost(r.b, 2);
	}
	rbdfs_behind_flush(r.b);
	want_lost(r.b, 2);
	want_begun(r.b, 0, 100);
	rig_free(&r);
}

/* An image has its share, whatever the others have under way. */
static void test_share(uint64_t seed)
{
	struct rbdfs_behind_total total = {.limit = 1000, .share = 300};
	struct rbdfs_behind *greedy, *modest;
	struct call c;

	fake_new(seed);
	greedy = rbdfs_behind_new(fake, PLENTY, &total);
	modest = rbdfs_behind_new(fake, PLENTY, &total);
	fake_hold(true);
	want_begun(greedy, 0, 900);
	want_waiting(greedy, &c, 1000, 200);
	for (uint64_t i = 0; i < 3; i++)
		want_begun(modest, 2000 + 100 * i, 100);
	fake_hold(false);
	await_end(&c);
	rbdfs_behind_free(greedy);
	rbdfs_behind_free(modest);
	CHECK(total.bytes == 0);
	fake_free();
}

/* What librbd or we refuse has not begun, and is no error of another one. */
static void test_refusals(uint64_t seed)
{
	static const uint64_t outside[] = {FAKE_SIZE - 9, FAKE_SIZE, FAKE_SIZE + 1, UINT64_MAX - 9, UINT64_MAX};
	struct call c, d;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		CHECK(submit(r.b, &c, outside[i], 10) == -EINVAL && ends(&c) == 0);
		CHECK(rbdfs_behind_write(r.b, outside[i], 10, zeros) == -EINVAL);
	}
	for (int i = 0; i < 3; i++) {
		fake_refuse(i == 0 ? -ENOENT : 0, i == 1 ? -ENOENT : 0, i == 2 ? -ENOENT : 0);
		CHECK(submit(r.b, &c, 0, 10) == -ENOENT && ends(&c) == 0);
		CHECK(rbdfs_behind_write(r.b, 0, 10, zeros) == -ENOENT);
	}
	fake_refuse(0, 0, 0);
	fake_hold(true);
	want_begun(r.b, 0, 10);
	want_waiting(r.b, &c, 0, 10);
	want_waiting(r.b, &d, 0, 10);
	fake_refuse(0, 0, -ENOENT); /* when it has its turn */
	fake_let_go();
	CHECK(ends(&c) == 1 && c.result == -ENOENT && ends(&d) == 1 && d.result == -ENOENT);
	fake_refuse(0, 0, 0);
	rbdfs_behind_flush(r.b);
	want_lost(r.b, 0);
	rig_free(&r);
}

/* --- What a request loop calls. --- */

static int do_read(struct rbdfs_direct *d, struct call *c, char *buf, uint64_t off, size_t len)
{
	*c = call_of(off, len);
	c->io.buf = buf;
	return rbdfs_direct_calls.read(d, &c->io);
}

static int do_write(struct rbdfs_direct *d, struct call *c, const char *buf, uint64_t off, size_t len)
{
	*c = call_of(off, len);
	c->io.buf = (char *)buf;
	return rbdfs_direct_calls.write(d, &c->io);
}

static void test_fenced(uint64_t seed)
{
	struct rbdfs_shared shared = {.fenced = 1};
	struct rbdfs_direct d = {.shared = &shared};
	struct call c;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	d.image = fake;
	for (int i = 0; i < 2; i++) {
		CHECK(do_read(&d, &c, zeros, 0, 10) == -EAGAIN && ends(&c) == 0);
		CHECK(do_write(&d, &c, zeros, 0, 10) == -EAGAIN && ends(&c) == 0);
		d.behind = r.b;
	}
	CHECK(fake_begun() == 0);
	rig_free(&r);
}

/* A read of what is being written is for those who can wait. */
static void test_read_of_writing(uint64_t seed)
{
	struct rbdfs_shared shared = {0};
	struct rbdfs_direct d = {.shared = &shared};
	char buf[200];
	struct call c;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	d.image = fake;
	d.behind = r.b;
	fake_hold(true);
	want_begun(r.b, 100, 100);
	CHECK(do_read(&d, &c, buf, 199, 10) == -EAGAIN && ends(&c) == 0);
	CHECK(do_read(&d, &c, buf, 200, 10) == 0);
	fake_hold(false);
	await_end(&c);
	CHECK(c.result == 10);
	rig_free(&r);
}

/* While the size is to be asked for, a write is for those who can wait. */
static void test_header_changed(uint64_t seed)
{
	struct rbdfs_shared shared = {0};
	struct rbdfs_direct d = {.shared = &shared};
	struct call c;
	struct rig r;

	rig_new(&r, seed, PLENTY, PLENTY);
	d.image = fake;
	d.behind = r.b;
	CHECK(rbdfs_direct_watch(&d) == 0);
	CHECK(do_write(&d, &c, zeros, 0, 10) == 0);
	fake->header_call(fake->header_arg);
	CHECK(do_write(&d, &c, zeros, 0, 10) == -EAGAIN && ends(&c) == 0);
	fake_refuse(-EIO, 0, 0);
	CHECK(rbdfs_direct_refresh(&d) == -EIO);
	fake_refuse(0, 0, 0);
	CHECK(do_write(&d, &c, zeros, 0, 10) == -EAGAIN && ends(&c) == 0);
	CHECK(rbdfs_direct_refresh(&d) == 0);
	CHECK(do_write(&d, &c, zeros, 0, 10) == 0);
	rbdfs_direct_unwatch(&d);
	rig_free(&r);
}

/* Without writing behind, a write is answered when librbd has answered. */
static void test_write_through(uint64_t seed)
{
	struct rbdfs_shared shared = {0};
	struct rbdfs_direct d = {.shared = &shared};
	char buf[16];
	struct call c;

	fake_new(seed);
	d.image = fake;
	fake_hold(true);
	CHECK(do_write(&d, &c, "0123456789", FAKE_SIZE - 10, 10) == 0 && ends(&c) == 0);
	fake_let_go();
	CHECK(ends(&c) == 1 && c.result == 10);
	CHECK(do_write(&d, &c, "x", 0, 1) == 0);
	fail_one();
	CHECK(ends(&c) == 1 && c.result == -EIO);
	CHECK(do_write(&d, &c, "x", FAKE_SIZE, 1) == -EINVAL && do_write(&d, &c, "x", UINT64_MAX, 1) == -EINVAL);
	fake_hold(false);
	CHECK(do_read(&d, &c, buf, FAKE_SIZE - 5, 16) == 0); /* over the end */
	await_end(&c);
	CHECK(c.result == 5 && memcmp(buf, "56789", 5) == 0);
	for (int i = 1; i < 3; i++) {
		fake_refuse(0, i == 1 ? -ENOENT : 0, i == 2 ? -ENOENT : 0);
		CHECK(do_write(&d, &c, "x", 0, 1) == -ENOENT && ends(&c) == 0);
		CHECK(do_read(&d, &c, buf, 0, 1) == -ENOENT && ends(&c) == 0);
	}
	fake_free();
}

/* --- All at once. --- */

#define WRITERS 4
#define OWN (FAKE_SIZE / WRITERS)
#define SPAN (OWN / 16) /* the part that is used, so that writes meet */
#define ROUNDS 1500

struct storm {
	struct rbdfs_direct d;
	bool errors;
	uint64_t told; /* atomic: writes that failed and whose writers know */
};

struct writer {
	struct storm *s;
	struct rng rng;
	uint64_t base;
	char model[SPAN];
	char buf[SPAN];
};

/* Tells whether a write went well. With errors, nobody knows what is written. */
static bool storm_went_well(struct writer *w, ssize_t r)
{
	CHECK(r >= 0 || (r == -EIO && w->s->errors));
	if (r < 0)
		__atomic_add_fetch(&w->s->told, 1, __ATOMIC_SEQ_CST);
	return r >= 0;
}

static void storm_write(struct writer *w, uint64_t off, size_t len)
{
	char byte = (char)rng_next(&w->rng);
	struct call c;
	ssize_t r;

	memset(w->buf, byte, len);
	if (rng_one_in(&w->rng, 2)) {
		r = do_write(&w->s->d, &c, w->buf, w->base + off, len);
		if (r == 0) {
			await_end(&c);
			r = c.result;
		}
	} else {
		r = rbdfs_behind_write(w->s->d.behind, w->base + off, len, w->buf);
	}
	memset(w->buf, ~byte, len); /* librbd has a copy */
	if (storm_went_well(w, r))
		memset(w->model + off, byte, len);
}

static void storm_read(struct writer *w, uint64_t off, size_t len)
{
	struct call c;

	while (do_read(&w->s->d, &c, w->buf, w->base + off, len) != 0)
		rbdfs_behind_await(w->s->d.behind, w->base + off, len);
	await_end(&c);
	CHECK(c.result == (ssize_t)len);
	CHECK(w->s->errors || memcmp(w->buf, w->model + off, len) == 0);
}

/* Writes, reads and flushes in bytes of its own, and writes zeros over those of all. */
static void *storm_work(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		size_t len = 1 + rng_below(&w->rng, rng_one_in(&w->rng, 10) ? SPAN : 2000);
		uint64_t off = rng_below(&w->rng, SPAN - len + 1);

		switch (rng_below(&w->rng, 8)) {
		case 0:
			rbdfs_behind_flush(w->s->d.behind);
			break;
		case 1:
		case 2:
		case 3:
			storm_read(w, off, len);
			break;
		case 4: /* where all meet, and nobody reads */
			storm_went_well(w, rbdfs_behind_write(w->s->d.behind, SPAN, len, zeros));
			break;
		default:
			storm_write(w, off, len);
		}
	}
	return NULL;
}

/* Threads that write and read what others write beside: reads are what was written
 * last, no two writes to the same bytes are under way, and each error is told to its
 * writer or counted as lost. */
static void test_storm(uint64_t seed, bool errors)
{
	struct rbdfs_shared shared = {.behind = {.limit = 3 * SPAN}};
	struct storm s = {.d = {.shared = &shared}, .errors = errors};
	int error;
	static struct writer writers[WRITERS];
	pthread_t threads[WRITERS];

	fake_new(seed);
	fake->one_fails_in = errors ? 50 : 0;
	s.d.image = fake;
	s.d.behind = rbdfs_behind_new(fake, 2 * SPAN, &shared.behind);
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.s = &s, .rng = {seed + i}, .base = i * OWN};
		threads[i] = start_thread(storm_work, &writers[i]);
	}
	for (size_t i = 0; i < WRITERS; i++)
		join(threads[i]);
	rbdfs_behind_flush(s.d.behind);
	CHECK(rbdfs_behind_lost(s.d.behind, &error) + s.told == fake->failed);
	CHECK((fake->failed > 0) == errors);
	for (size_t i = 0; i < WRITERS; i++)
		CHECK(errors || memcmp(fake->data + writers[i].base, writers[i].model, SPAN) == 0);
	rbdfs_behind_free(s.d.behind);
	CHECK(shared.behind.bytes == 0);
	fake_free();
}

int main(int argc, char **argv)
{
	uint64_t seed = seed_of(argc, argv);

	test_overlap(seed);
	test_queue(seed);
	test_limits(seed);
	test_busy(seed);
	test_buckets(seed);
	test_waiting(seed);
	test_error(seed);
	test_error_of_two(seed);
	test_share(seed);
	test_refusals(seed);
	test_fenced(seed);
	test_read_of_writing(seed);
	test_header_changed(seed);
	test_write_through(seed);
	test_storm(seed, false);
	test_storm(seed, true);
	return 0;
}
