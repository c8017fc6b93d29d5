/* What the C tests have in common: checks, random numbers, threads. */
#ifndef RBDFS_CHECK_H
#define RBDFS_CHECK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Ends the test unless cond holds. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

static inline void check_failed(const char *file, int line, const char *cond)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, cond);
	abort();
}

/* A source of random numbers, of one thread (splitmix64). */
struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Returns a number below n. */
static inline uint64_t rng_below(struct rng *r, uint64_t n) { return rng_next(r) % n; }

static inline bool rng_one_in(struct rng *r, uint64_t n) { return rng_below(r, n) == 0; }

/* Returns the seed that the first argument says, or a new one, and prints it. */
static inline uint64_t seed_of(int argc, char **argv)
{
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

static inline pthread_t start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, run, arg) == 0);
	return thread;
}

static inline void join(pthread_t thread) { CHECK(pthread_join(thread, NULL) == 0); }

/* Pauses for less than us microseconds, so that threads meet in other orders. */
static inline void dither(struct rng *r, uint64_t us)
{
	struct timespec t = {.tv_nsec = (long)(rng_below(r, us) * 1000)};

	nanosleep(&t, NULL);
}

#endif
