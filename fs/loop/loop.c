#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"

struct rbdfs_loop *rbdfs_loop_new(size_t max_io, size_t memory, rbdfs_redo redo, uintptr_t handle)
{
	struct rbdfs_loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->redo = redo;
	loop->handle = handle;
	pthread_mutex_init(&loop->lock, NULL);
	pool_init(&loop->pool, &loop->lock, max_io, memory);
	pthread_cond_init(&loop->idle, NULL);
	return loop;
}

void rbdfs_loop_free(struct rbdfs_loop *loop)
{
	pool_destroy(&loop->pool);
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

/* Takes the message of q into a request with room for data bytes of data: into q
 * itself, whose place in the reader another takes, if that is the best fit. */
static struct request *fit(struct request **reader, size_t data)
{
	struct request *q = *reader, *small;
	struct pool *pool = &q->loop->pool;

	if (data > pool->room[MEDIUM]) {
		*reader = NULL;
		return q;
	}
	small = pool_take(pool, data);
	if (small == NULL)
		return NULL;
	small->loop = q->loop;
	small->fd = q->fd;
	small->len = q->len;
	small->began = q->began;
	memcpy(small->message, q->message, q->len);
	return small;
}

/* Undoes fit. */
static void unfit(struct request **reader, struct request *q)
{
	if (*reader == NULL)
		*reader = q;
	else
		pool_give(&q->loop->pool, q);
}

/* Takes back what an image has refused, to be handed on; true when it was given up
 * meanwhile, and so has its answer. */
static bool take_back(struct request **reader, struct request *q)
{
	gate_leave(q);
	if (!answers(q)) {
		pool_give(&q->loop->pool, q);
		return true;
	}
	unfit(reader, q);
	return false;
}

/* Lets the message of the reader, with len bytes of data for off, through its gate,
 * in a request that fits; NULL, and nothing has happened, when it may not pass. */
static struct request *admit(struct request **reader, uint64_t off, size_t len)
{
	struct request *q = fit(reader, len);

	if (q == NULL || gate_enter(q->loop, q, off, len))
		return q;
	unfit(reader, q);
	return NULL;
}

/* Serves a READ; false, and nothing has happened, when that is for others. */
static bool serve_read(struct request **reader)
{
	const struct fuse_read_in *in = body_of(*reader);
	struct request *q;
	size_t len = in->size;

	if ((*reader)->len != HEAD || len == 0 || len > (*reader)->loop->pool.room[LARGE])
		return false;
	q = admit(reader, in->offset, len);
	if (q == NULL)
		return false;
	q->io = (struct rbdfs_io){
		.off = in->offset,
		.len = len,
		.buf = q->message + HEAD + sizeof(struct fuse_out_header),
		.done = read_done,
	};
	if (q->gate->calls->read(q->gate->image, &q->io) != 0)
		return take_back(reader, q);
	return true;
}

/* Serves a WRITE; false, and nothing has happened, when that is for others. */
static bool serve_write(struct request **reader)
{
	const struct fuse_write_in *in = body_of(*reader);
	struct request *q;
	size_t len;

	if ((*reader)->len < HEAD)
		return false;
	len = (*reader)->len - HEAD;
	if (len == 0 || in->size != len || (in->flags & (O_SYNC | O_DSYNC)) != 0)
		return false;
	q = admit(reader, in->offset, len);
	if (q == NULL)
		return false;
	q->io = (struct rbdfs_io){
		.off = in->offset,
		.len = len,
		.buf = q->message + HEAD,
		.done = write_done,
	};
	gate_writes(q->gate, in->offset, len);
	if (q->gate->calls->write(q->gate->image, &q->io) != 0) {
		gate_wrote(q->gate);
		return take_back(reader, q);
	}
	return true;
}

/* Serves a message if it is a request that is whole and served here. */
static bool serve(struct request **reader)
{
	const struct fuse_in_header *h = header_of(*reader);

	if ((*reader)->len < sizeof(*h) || h->len != (*reader)->len || h->total_extlen != 0)
		return false;
	switch (h->opcode) {
	case FUSE_READ:
		return serve_read(reader);
	case FUSE_WRITE:
		return serve_write(reader);
	}
	return false;
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

/* Moves a message that goes to others out of the reader's memory, which has room
 * for the largest: they may keep it for long. */
static struct request *trim(struct request *reader)
{
	size_t len = reader->len;
	struct request *q = fit(&reader, len > HEAD ? len - HEAD : 0);

	if (q == NULL)
		return reader;
	if (reader != NULL)
		pool_give(&q->loop->pool, reader);
	return q;
}

int rbdfs_loop_next(struct rbdfs_loop *loop, int fd, struct rbdfs_message *message)
{
	struct request *q = NULL;

	for (;;) {
		int r;

		pool_wait(&loop->pool);
		if (q == NULL)
			q = pool_take(&loop->pool, loop->pool.room[LARGE]);
		if (q == NULL) {
			pool_trim(&loop->pool);
			return -ENOMEM;
		}
		r = next_message(loop, fd, q);
		if (r < 0) {
			pool_give(&loop->pool, q);
			return r;
		}
		if (!serve(&q)) {
			q = trim(q);
			message->data = q->message;
			message->len = q->len;
			return 0;
		}
	}
}

void rbdfs_message_free(struct rbdfs_loop *loop, char *data)
{
	pool_give(&loop->pool, (struct request *)(data - offsetof(struct request, message)));
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
	struct request *q;

	pthread_mutex_lock(&loop->lock);
	q = loop->oldest;
	while (q != NULL && __atomic_load_n(&q->answered, __ATOMIC_SEQ_CST))
		q = q->next;
	if (q != NULL)
		describe(q, info);
	pthread_mutex_unlock(&loop->lock);
	return q != NULL;
}

void rbdfs_loop_give_up(struct rbdfs_loop *loop, uint64_t unique)
{
	struct fuse_out_header out = {.len = sizeof(out), .error = -EINTR, .unique = unique};
	struct request *q;
	int fd = -1;

	pthread_mutex_lock(&loop->lock);
	q = find_locked(loop, unique);
	if (q != NULL && answers(q))
		fd = q->fd;
	pthread_mutex_unlock(&loop->lock);
	if (fd >= 0)
		reply(fd, &out, sizeof(out));
}

void rbdfs_loop_totals(struct rbdfs_loop *loop, struct rbdfs_totals *totals)
{
	pthread_mutex_lock(&loop->lock);
	*totals = loop->totals;
	pthread_mutex_unlock(&loop->lock);
}
