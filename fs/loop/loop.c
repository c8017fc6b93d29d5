#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"

/* What librbd and librados take for a request beside its data, about, in bytes. */
#define BESIDE 8192

struct rbdfs_loop *rbdfs_loop_new(size_t max_io, size_t memory, size_t most, rbdfs_redo redo, uintptr_t handle)
{
	struct rbdfs_loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->redo = redo;
	loop->handle = handle;
	pthread_mutex_init(&loop->lock, NULL);
	pool_init(&loop->pool, &loop->lock, max_io, most, memory / 4);
	shares_init(&loop->shares, memory, pool_memory(&loop->pool, max_io) + BESIDE);
	pthread_cond_init(&loop->idle, NULL);
	return loop;
}

void rbdfs_loop_free(struct rbdfs_loop *loop)
{
	pool_destroy(&loop->pool);
	shares_destroy(&loop->shares);
	pthread_mutex_destroy(&loop->lock);
	pthread_cond_destroy(&loop->idle);
	free(loop);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Writes a reply. The kernel refuses one that it does not wait for any more. */
static void reply(int fd, const void *data, size_t len)
{
	ssize_t n = write(fd, data, len);

	(void)n;
}

/* Makes the reply of a request this thread's to write; false when it has one. */
static bool answers(struct request *q)
{
	return __atomic_exchange_n(&q->answered, 1, __ATOMIC_SEQ_CST) == 0;
}

/* Has a request that ended otherwise than well done again, by those who can tell
 * why. It takes the request, unless that was given up. */
static void redo(struct request *q, ssize_t result)
{
	if (answers(q))
		gate_redo(q, result < 0 ? (int)result : 0);
	else
		gate_retire(q, &(struct rbdfs_totals){0});
}

static struct request *request_of(struct rbdfs_io *io)
{
	return (struct request *)((char *)io - offsetof(struct request, io));
}

static void read_done(struct rbdfs_io *io, ssize_t result)
{
	struct request *q = request_of(io);
	struct fuse_out_header *out = (struct fuse_out_header *)(q->message + HEAD);

	if (result < 0 || (size_t)result != io->len) {
		redo(q, result);
		return;
	}
	*out = (struct fuse_out_header){
		.len = sizeof(*out) + io->len,
		.unique = header_of(q)->unique,
	};
	if (answers(q))
		reply(q->fd, out, out->len);
	gate_retire(q, &(struct rbdfs_totals){
		.reads = 1, .read_bytes = io->len, .read_ns = now_ns() - q->began});
}

static void write_done(struct rbdfs_io *io, ssize_t result)
{
	struct request *q = request_of(io);
	struct {
		struct fuse_out_header header;
		struct fuse_write_out write;
	} out = {
		.header = {.len = sizeof(out), .unique = header_of(q)->unique},
		.write = {.size = io->len},
	};

	gate_wrote(q->gate);
	if (result < 0 || (size_t)result != io->len) {
		redo(q, result);
		return;
	}
	if (answers(q))
		reply(q->fd, &out, sizeof(out));
	gate_retire(q, &(struct rbdfs_totals){
		.writes = 1, .written_bytes = io->len, .write_ns = now_ns() - q->began});
}

/* What a READ or a WRITE asks for, of [off, off+len) in bytes. */
struct wish {
	uint64_t off;
	size_t len;
	bool sync; /* to be on the OSDs when it is answered */
};

/* Tells what the READ or WRITE in a message asks for; false when it is none that is
 * whole. */
static bool wish_of(const struct request *q, struct wish *w)
{
	const struct fuse_in_header *h = (const struct fuse_in_header *)q->message;
	const struct fuse_write_in *in = (const struct fuse_write_in *)(h + 1); /* or a fuse_read_in */

	if (q->len < HEAD || h->len != q->len || h->total_extlen != 0)
		return false;
	*w = (struct wish){.off = in->offset, .len = in->size};
	if (w->len == 0 || w->len > q->loop->pool.room[LARGE])
		return false;
	if (h->opcode == FUSE_READ)
		return q->len == HEAD;
	w->sync = (in->flags & (O_SYNC | O_DSYNC)) != 0;
	return h->opcode == FUSE_WRITE && q->len == HEAD + w->len;
}

/* Moves the message of one request, and its place in a share, to another one. */
static struct request *move(struct request *to, struct request *from)
{
	to->loop = from->loop;
	to->fd = from->fd;
	to->len = from->len;
	to->began = from->began;
	to->share = from->share;
	to->charge = from->charge;
	to->waits = from->waits;
	from->share = NULL;
	from->waits = false;
	memcpy(to->message, from->message, from->len);
	return to;
}

/* Takes the message of the reader into a request with room for data bytes: into the
 * reader's, which is the largest, where that is the best fit or there is no memory. */
static struct request *fit(struct request **reader, size_t data)
{
	struct request *q = *reader, *small = NULL;

	if (data <= q->loop->pool.room[MEDIUM])
		small = pool_take(&q->loop->pool, data);
	if (small != NULL)
		return move(small, q);
	*reader = NULL;
	return q;
}

/* Is fit for a message that may stay for long, and needs no more room than it has. */
static struct request *pack(struct request **reader)
{
	struct request *q = *reader, *small = NULL;

	if (q->len < q->loop->pool.room[LARGE] / 2)
		small = pool_make(&q->loop->pool, q->len);
	if (small != NULL)
		return move(small, q);
	*reader = NULL;
	return q;
}

/* Has the message of the reader admitted to the share of its node, and returns it in
 * a request that fits; or has it wait for that, and returns NULL. */
static struct request *line_up(struct request **reader, const struct wish *w)
{
	struct request *q = *reader;
	struct rbdfs_loop *loop = q->loop;
	bool admitted;

	q->charge = pool_memory(&loop->pool, w->len) + BESIDE;
	pthread_mutex_lock(&loop->lock);
	admitted = share_join_locked(&loop->shares, q);
	pthread_mutex_unlock(&loop->lock);
	if (admitted)
		return fit(reader, w->len);
	q = pack(reader);
	pthread_mutex_lock(&loop->lock);
	admitted = share_wait_locked(&loop->shares, q);
	if (!admitted)
		list_locked(loop, q);
	pthread_mutex_unlock(&loop->lock);
	return admitted ? q : NULL;
}

/* Makes room for what an image reads into a request; false without memory. */
static bool make_room(struct request **q, size_t len)
{
	struct request *small = *q, *large;

	if (small->size != MADE)
		return true;
	large = pool_take(&small->loop->pool, len);
	if (large == NULL)
		return false;
	*q = move(large, small);
	request_end(small);
	return true;
}

/* Takes back what an image has refused; false when it was given up meanwhile, and so
 * has its answer. */
static bool take_back(struct request *q)
{
	gate_leave(q);
	if (answers(q))
		return true;
	request_end(q);
	return false;
}

/* Begins a READ; returns it when that is for others, who take it. */
static struct request *begin_read(struct request *q, const struct wish *w)
{
	if (!make_room(&q, w->len) || !gate_enter(q->loop, q, w->off, w->len))
		return q;
	q->io = (struct rbdfs_io){
		.off = w->off,
		.len = w->len,
		.buf = q->message + HEAD + sizeof(struct fuse_out_header),
		.done = read_done,
	};
	if (q->gate->calls->read(q->gate->image, &q->io) == 0)
		return NULL;
	return take_back(q) ? q : NULL;
}

/* Begins a WRITE; returns it when that is for others, who take it. */
static struct request *begin_write(struct request *q, const struct wish *w)
{
	if (w->sync || !gate_enter(q->loop, q, w->off, w->len))
		return q;
	q->io = (struct rbdfs_io){
		.off = w->off,
		.len = w->len,
		.buf = q->message + HEAD,
		.done = write_done,
	};
	gate_writes(q->gate, w->off, w->len);
	if (q->gate->calls->write(q->gate->image, &q->io) == 0)
		return NULL;
	gate_wrote(q->gate);
	return take_back(q) ? q : NULL;
}

/* Counts the memory that a READ takes in Go, instead of what it does not need there. */
static struct request *for_go(struct request *q)
{
	struct request *large = q;

	if (header_of(q)->opcode != FUSE_READ)
		return q;
	q = pack(&large);
	if (large != NULL)
		request_end(large);
	if (q->memory < q->charge)
		pool_add(&q->loop->pool, q, q->charge - q->memory);
	return q;
}

/* Begins a request that was admitted; returns it when that is for Go. */
static struct request *begin(struct request *q, const struct wish *w)
{
	q = header_of(q)->opcode == FUSE_READ ? begin_read(q, w) : begin_write(q, w);
	return q != NULL ? for_go(q) : NULL;
}

/* Serves the message of the reader, or has it wait; returns it when that is for Go. */
static struct request *serve(struct request **reader)
{
	struct request *q = *reader;
	struct wish w;

	if (!wish_of(q, &w))
		return fit(reader, q->len > HEAD ? q->len - HEAD : 0);
	q = line_up(reader, &w);
	return q != NULL ? begin(q, &w) : NULL;
}

void rbdfs_loop_dispatch(struct rbdfs_loop *loop)
{
	struct shares *all = &loop->shares;
	struct request *q;
	struct share *share;
	struct wish w;

	pthread_mutex_lock(&loop->lock);
	while (!all->ended) {
		q = share_turn_locked(all, &share);
		if (q == NULL) {
			pthread_cond_wait(&all->turn, &loop->lock);
			continue;
		}
		unlist_locked(loop, q);
		pthread_mutex_unlock(&loop->lock);
		wish_of(q, &w);
		q = begin(q, &w);
		if (q != NULL)
			loop->redo(loop->handle, q->message, q->len, 0);
		pthread_mutex_lock(&loop->lock);
		share_begun_locked(all, share);
	}
	pthread_mutex_unlock(&loop->lock);
}

void rbdfs_loop_end(struct rbdfs_loop *loop)
{
	struct request *all = NULL, *q, *next;

	pthread_mutex_lock(&loop->lock);
	loop->shares.ended = true;
	for (q = loop->oldest; q != NULL; q = next) {
		next = q->next;
		if (!q->waits)
			continue;
		unlist_locked(loop, q);
		share_leave_locked(&loop->shares, q);
		q = request_end_locked(q);
		if (q != NULL) {
			q->next = all;
			all = q;
		}
	}
	pthread_cond_broadcast(&loop->shares.turn);
	pthread_mutex_unlock(&loop->lock);
	for (; all != NULL; all = next) {
		next = all->next;
		free(all);
	}
}

/* Reads the next message into q. Returns 0 or a negative errno. */
static int next_message(struct rbdfs_loop *loop, int fd, struct request *q)
{
	size_t room = HEAD + sizeof(struct fuse_out_header) + loop->pool.room[LARGE];
	ssize_t n;

	do
		n = read(fd, q->message, room);
	while (n < 0 && (errno == EINTR || errno == ENOENT));
	if (n <= 0)
		return n < 0 ? -errno : -ENODEV;
	q->loop = loop;
	q->fd = fd;
	q->len = (size_t)n;
	q->began = now_ns();
	return 0;
}

int rbdfs_loop_next(struct rbdfs_loop *loop, int fd, struct rbdfs_message *message)
{
	struct request *reader = NULL, *q = NULL;
	int r = 0;

	while (r == 0 && q == NULL) {
		pool_wait(&loop->pool);
		if (reader == NULL)
			reader = pool_take(&loop->pool, loop->pool.room[LARGE]);
		if (reader == NULL) {
			pool_trim(&loop->pool);
			return -ENOMEM;
		}
		r = next_message(loop, fd, reader);
		if (r == 0)
			q = serve(&reader);
	}
	if (reader != NULL)
		pool_give(&loop->pool, reader);
	if (q != NULL)
		*message = (struct rbdfs_message){.data = q->message, .len = q->len};
	return r;
}

void rbdfs_message_free(char *data)
{
	request_end((struct request *)(data - offsetof(struct request, message)));
}

/* Fills info with what is known of a request in flight. */
static void describe(const struct request *q, struct rbdfs_request_info *info)
{
	const struct fuse_in_header *h = (const struct fuse_in_header *)q->message;

	*info = (struct rbdfs_request_info){
		.unique = h->unique, .node = h->nodeid, .age = now_ns() - q->began, .pid = h->pid};
}

static struct request *find_locked(struct rbdfs_loop *loop, uint64_t unique)
{
	struct request *q = loop->oldest;

	while (q != NULL && header_of(q)->unique != unique)
		q = q->next;
	return q;
}

bool rbdfs_loop_find(struct rbdfs_loop *loop, uint64_t unique, struct rbdfs_request_info *info)
{
	struct request *q;

	pthread_mutex_lock(&loop->lock);
	q = find_locked(loop, unique);
	if (q != NULL)
		describe(q, info);
	pthread_mutex_unlock(&loop->lock);
	return q != NULL;
}

bool rbdfs_loop_oldest(struct rbdfs_loop *loop, struct rbdfs_request_info *info)
{
	struct request *q, *found = NULL;

	pthread_mutex_lock(&loop->lock);
	for (q = loop->oldest; q != NULL; q = q->next) /* one that has waited is behind younger ones */
		if (!__atomic_load_n(&q->answered, __ATOMIC_SEQ_CST) && (found == NULL || q->began < found->began))
			found = q;
	if (found != NULL)
		describe(found, info);
	pthread_mutex_unlock(&loop->lock);
	return found != NULL;
}

void rbdfs_loop_give_up(struct rbdfs_loop *loop, uint64_t unique)
{
	struct fuse_out_header out = {.len = sizeof(out), .error = -EINTR, .unique = unique};
	struct request *q, *over = NULL;
	int fd = -1;

	pthread_mutex_lock(&loop->lock);
	q = find_locked(loop, unique);
	if (q != NULL && answers(q))
		fd = q->fd;
	if (fd >= 0 && q->waits) {
		unlist_locked(loop, q);
		share_leave_locked(&loop->shares, q);
		over = request_end_locked(q);
	}
	pthread_mutex_unlock(&loop->lock);
	free(over);
	if (fd >= 0)
		reply(fd, &out, sizeof(out));
}

void rbdfs_loop_totals(struct rbdfs_loop *loop, struct rbdfs_totals *totals)
{
	pthread_mutex_lock(&loop->lock);
	*totals = loop->totals;
	pthread_mutex_unlock(&loop->lock);
}
