/* Gates: which requests are served here. */
#ifndef RBDFS_GATE_H
#define RBDFS_GATE_H

#include "share.h"

struct rbdfs_gate {
	struct rbdfs_gate *next; /* in the bucket of its node */
	struct rbdfs_loop *loop;
	uint64_t node;

	/* The loop's lock guards these. */
	bool open;
	unsigned in_flight;
	uint64_t size; /* bytes, from the start of the image, that requests may touch */

	/* Changed only while nothing is in flight, under the loop's lock. */
	void *image;
	const struct rbdfs_io_calls *calls;

	/* Atomic. */
	uint64_t writes;
	uint64_t writing;
	int64_t at;

	/* A bit for each granule, in bytes, that was written. The map is exchanged only
	 * while nothing is in flight, under the loop's lock. */
	uint64_t granule;
	uint64_t words;
	uint64_t *map; /* atomic words */
};

#define BUCKETS 256

struct rbdfs_loop {
	rbdfs_redo redo;
	uintptr_t handle;
	struct pool pool;

	pthread_mutex_t lock; /* guards the rest; not held across a call of an image */
	struct shares shares;
	pthread_cond_t idle;  /* a gate that is shut has none in flight */
	struct rbdfs_gate *gates[BUCKETS];
	struct request *oldest; /* in flight, or waiting for a share */
	struct request *newest;
	struct rbdfs_totals totals;
};

/* Puts a request on the list of those in flight or waiting, and takes it off. */
void list_locked(struct rbdfs_loop *loop, struct request *q);
void unlist_locked(struct rbdfs_loop *loop, struct request *q);

/* Gives back a request and what it has of its share. What it returns is to be freed
 * without the lock. */
struct request *request_end_locked(struct request *q);
void request_end(struct request *q);

/* Lets a request for [off, off+len) through the gate of its node. False when it may
 * not pass: the file may have grown past the size that the gate was opened with. */
bool gate_enter(struct rbdfs_loop *loop, struct request *q, uint64_t off, size_t len);

/* Ends the passing. */
void gate_leave(struct request *q);

/* Ends the passing and the request, which was answered, and counts it. */
void gate_retire(struct request *q, const struct rbdfs_totals *add);

/* Ends the passing, and has the request, which others own then, done again. */
void gate_redo(struct request *q, int error);

/* Remembers that a write begins, and that it is over. */
void gate_writes(struct rbdfs_gate *gate, uint64_t off, size_t len);
void gate_wrote(struct rbdfs_gate *gate);

#endif
