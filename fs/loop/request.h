/* Requests and their memory. */
#ifndef RBDFS_REQUEST_H
#define RBDFS_REQUEST_H

#include <linux/fuse.h>
#include <pthread.h>

#include "loop.h"

/* What a message has in front of the data of a WRITE, and is for a READ. */
#define HEAD (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
_Static_assert(sizeof(struct fuse_read_in) == sizeof(struct fuse_write_in), "one HEAD serves both");

/* Sizes of requests, by the bytes of data that they have room for; MADE is as long as
 * its message. */
enum size { SMALL, MEDIUM, LARGE, SIZES, MADE = SIZES };

/* A request from its message to its reply. */
struct request {
	struct request *next; /* free, or in flight, or waiting */
	struct request *prev;
	struct request *behind; /* waits behind this one */
	struct rbdfs_loop *loop;
	struct rbdfs_gate *gate; /* that it has entered */
	struct share *share;     /* that has admitted it, or that it waits for; or NULL */
	size_t charge;           /* bytes in its share */
	bool waits;              /* to be admitted; the loop's lock guards it */
	struct rbdfs_io io;
	enum size size;
	size_t memory; /* bytes lent: of this, and of the reply that Go makes */
	int fd;
	uint64_t began;  /* ns, monotonic */
	int answered;    /* atomic: the kernel has or gets a reply */
	size_t len;      /* of the message */
	/* The message. The data of a WRITE lies behind the first HEAD bytes; behind
	 * them, a READ makes its reply. */
	char message[] __attribute__((aligned(8)));
};

/* The memory of requests. */
struct pool {
	size_t room[SIZES]; /* for data, bytes */
	size_t limit;       /* bytes lent, more only when none comes back for a while */
	size_t keep;        /* bytes in free at the most */

	pthread_mutex_t *lock; /* the loop's, guards the rest */
	pthread_cond_t freed;
	struct request *free[SIZES];
	size_t lent;
	size_t kept; /* bytes in free */
};

void pool_init(struct pool *pool, pthread_mutex_t *lock, size_t max_io, size_t limit, size_t keep);
void pool_destroy(struct pool *pool);

/* Lends a request with room for data bytes. NULL when that is too much, or without
 * memory. */
struct request *pool_take(struct pool *pool, size_t data);

/* Makes a request that has room for a message of len bytes, and lends it. NULL
 * without memory. */
struct request *pool_make(struct pool *pool, size_t len);

/* Returns the bytes that pool_take lends for data bytes, or 0 when that is too much. */
size_t pool_memory(const struct pool *pool, size_t data);

/* Counts more bytes as lent with a request. */
void pool_add(struct pool *pool, struct request *q, size_t more);

/* Frees what is kept for later. */
void pool_trim(struct pool *pool);

/* Waits while too much is lent, but not for long. It comes before each message, also
 * when a reader has memory for it: what is small moves on into memory of its own. */
void pool_wait(struct pool *pool);

void pool_give(struct pool *pool, struct request *q);

/* Is pool_give with the lock held. What it returns is to be freed without. */
struct request *pool_give_locked(struct pool *pool, struct request *q);

static inline struct fuse_in_header *header_of(struct request *q)
{
	return (struct fuse_in_header *)q->message;
}

static inline void *body_of(struct request *q)
{
	return q->message + sizeof(struct fuse_in_header);
}

#endif
