/* Shares of the memory of requests. */
#ifndef RBDFS_SHARE_H
#define RBDFS_SHARE_H

#include "request.h"

#define SHARES 256

/* The reads and writes of one node, from their messages to their replies. A share is
 * there while it has users. The loop's lock guards it. */
struct share {
	struct share *next; /* in the bucket of its node */
	uint64_t node;
	unsigned users; /* requests, and who else holds it for a moment */
	size_t lent;    /* bytes of those that were admitted */
	bool busy;      /* one that has waited is being begun */

	/* Those that wait to be admitted, the oldest first, linked by behind. */
	struct request *first;
	struct request *last;
	struct share *next_waiting; /* in shares.waiting, while there are any */
};

/* All shares of a loop. The loop's lock guards them.
 *
 * A share has as much as is free at the most. So one image that is stuck has half of
 * the limit, n of them 1/(n+1) each, and as much is left for all others. Beyond that
 * each has the floor for itself. */
struct shares {
	size_t limit; /* bytes admitted, but for the floors */
	size_t floor; /* bytes: room for the largest request */
	size_t admitted;
	bool ended;
	pthread_cond_t turn; /* a request that waits may be begun, or ended is set */
	struct share *nodes[SHARES];
	struct share *waiting; /* those with requests that wait; the first is asked first */
	struct share **waiting_end;
};

void shares_init(struct shares *all, size_t limit, size_t floor);
void shares_destroy(struct shares *all);

/* Makes a request one of its node's. Returns true when it was admitted. Otherwise it
 * is to wait: share_wait comes next. */
bool share_join_locked(struct shares *all, struct request *q);

/* Admits a request if that can be now, or has it wait behind all others of its share. */
bool share_wait_locked(struct shares *all, struct request *q);

/* Admits the request whose turn it is, and takes it off its share, which is busy until
 * share_begun_locked; NULL when there is none. */
struct request *share_turn_locked(struct shares *all, struct share **share);
void share_begun_locked(struct shares *all, struct share *share);

/* Takes a request that waits off its share, for good. */
void share_leave_locked(struct shares *all, struct request *q);

/* Gives back what a request has, if it was admitted. */
void share_give_locked(struct shares *all, struct request *q);

#endif
