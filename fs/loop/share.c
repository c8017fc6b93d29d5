#include "share.h"

#include <stdlib.h>

void shares_init(struct shares *all, size_t limit, size_t floor)
{
	*all = (struct shares){.limit = limit, .floor = floor};
	all->waiting_end = &all->waiting;
	pthread_cond_init(&all->turn, NULL);
}

void shares_destroy(struct shares *all)
{
	pthread_cond_destroy(&all->turn);
}

static struct share **bucket_of(struct shares *all, uint64_t node)
{
	return &all->nodes[node % SHARES];
}

/* Returns the share of a node with one more user; NULL without memory. */
static struct share *hold(struct shares *all, uint64_t node)
{
	struct share *s = *bucket_of(all, node);

	while (s != NULL && s->node != node)
		s = s->next;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return NULL;
		s->node = node;
		s->next = *bucket_of(all, node);
		*bucket_of(all, node) = s;
	}
	s->users++;
	return s;
}

static void put(struct shares *all, struct share *s)
{
	struct share **at = bucket_of(all, s->node);

	if (--s->users > 0)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

/* Tells whether there is room for one more request in a share. */
static bool has_room(const struct shares *all, const struct share *s, size_t charge)
{
	return s->lent + charge <= all->floor || all->admitted + s->lent + charge <= all->limit;
}

static void admit(struct shares *all, struct request *q)
{
	q->waits = false;
	q->share->lent += q->charge;
	all->admitted += q->charge;
}

bool share_join_locked(struct shares *all, struct request *q)
{
	struct share *s = q->share = hold(all, header_of(q)->nodeid);

	if (s == NULL)
		return true; /* nothing is counted */
	if (s->busy || s->first != NULL || !has_room(all, s, q->charge)) {
		q->waits = true;
		return false;
	}
	admit(all, q);
	return true;
}

bool share_wait_locked(struct shares *all, struct request *q)
{
	struct share *s = q->share;

	if (!s->busy && s->first == NULL && has_room(all, s, q->charge)) {
		admit(all, q);
		return true;
	}
	q->behind = NULL;
	if (s->first == NULL) {
		s->first = q;
		s->next_waiting = NULL;
		*all->waiting_end = s;
		all->waiting_end = &s->next_waiting;
	} else {
		s->last->behind = q;
	}
	s->last = q;
	return false;
}

/* Takes a share off the list of those with requests that wait. */
static void unlist(struct shares *all, struct share *s)
{
	struct share **at = &all->waiting;

	while (*at != s)
		at = &(*at)->next_waiting;
	*at = s->next_waiting;
	if (*at == NULL)
		all->waiting_end = at;
}

/* Returns the first share whose oldest request has room now, or NULL. */
static struct share *next_turn(const struct shares *all)
{
	struct share *s = all->waiting;

	while (s != NULL && !has_room(all, s, s->first->charge))
		s = s->next_waiting;
	return s;
}

struct request *share_turn_locked(struct shares *all, struct share **share)
{
	struct share *s = next_turn(all);
	struct request *q;

	if (s == NULL)
		return NULL;
	q = s->first;
	s->first = q->behind;
	unlist(all, s);
	if (s->first != NULL) { /* others come first the next time */
		s->next_waiting = NULL;
		*all->waiting_end = s;
		all->waiting_end = &s->next_waiting;
	}
	admit(all, q);
	s->busy = true;
	s->users++;
	*share = s;
	return q;
}

void share_begun_locked(struct shares *all, struct share *s)
{
	s->busy = false;
	put(all, s);
}

void share_leave_locked(struct shares *all, struct request *q)
{
	struct share *s = q->share;
	struct request **at = &s->first, *before = NULL;

	while (*at != q) {
		before = *at;
		at = &(*at)->behind;
	}
	*at = q->behind;
	if (s->last == q)
		s->last = before;
	if (s->first == NULL)
		unlist(all, s);
	q->share = NULL;
	put(all, s);
	if (next_turn(all) != NULL) /* a smaller one may have been behind it */
		pthread_cond_signal(&all->turn);
}

void share_give_locked(struct shares *all, struct request *q)
{
	struct share *s = q->share;

	if (s == NULL)
		return;
	q->share = NULL;
	s->lent -= q->charge;
	all->admitted -= q->charge;
	put(all, s);
	if (next_turn(all) != NULL)
		pthread_cond_signal(&all->turn);
}
