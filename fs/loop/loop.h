/* The request loop on /dev/fuse: reads and writes of open images in C, all else
 * is handed on. */
#ifndef RBDFS_LOOP_H
#define RBDFS_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../rbdio/datapath.h"

struct rbdfs_loop;
struct rbdfs_gate;

/* A message of the kernel: a fuse_in_header and what follows it, len bytes. Whoever
 * has it gives it back by rbdfs_message_free. */
struct rbdfs_message {
	char *data;
	size_t len;
};

/* Takes over a message that was begun here and did not end well, or that has waited
 * and is not for here; any thread calls it. The message is data of len bytes, error a
 * negative errno, or 0. */
typedef void (*rbdfs_redo)(uintptr_t handle, char *data, size_t len, int error);

/* Makes a loop for reads and writes of max_io bytes at the most, that has memory bytes
 * of them under way, of which images that are stuck leave some to each other one, and
 * most bytes with those that wait, or a few more when the cluster does not answer.
 * NULL without memory. */
struct rbdfs_loop *rbdfs_loop_new(size_t max_io, size_t memory, size_t most, rbdfs_redo redo, uintptr_t handle);

/* Ends a loop that nobody reads for any more and that has no gates. */
void rbdfs_loop_free(struct rbdfs_loop *loop);

/* Reads requests from fd, a /dev/fuse that is mounted, and serves those it can.
 * Returns 0 with a message that is not for it, or a negative errno, after which it
 * may be called again: that of read(2), or -ENOMEM, and nothing was read. Several
 * threads may be in it. */
int rbdfs_loop_next(struct rbdfs_loop *loop, int fd, struct rbdfs_message *message);

void rbdfs_message_free(char *data);

/* Begins the requests that wait for their image's share, until rbdfs_loop_end. One
 * thread is in it. */
void rbdfs_loop_dispatch(struct rbdfs_loop *loop);

/* Drops the requests that wait for their image's share. Nobody reads for the loop any
 * more. */
void rbdfs_loop_end(struct rbdfs_loop *loop);

/* What is known of a request that is served here. */
struct rbdfs_request_info {
	uint64_t unique;
	uint64_t node;
	uint64_t age; /* ns */
	uint32_t pid;
};

/* Finds a request in flight by the kernel's number; false when it is not here. */
bool rbdfs_loop_find(struct rbdfs_loop *loop, uint64_t unique, struct rbdfs_request_info *info);

/* Finds the request that has been in flight for the longest; false for none. */
bool rbdfs_loop_oldest(struct rbdfs_loop *loop, struct rbdfs_request_info *info);

/* Answers a request in flight with EINTR; what it has begun goes on. One that waits
 * for its image's share is never begun. */
void rbdfs_loop_give_up(struct rbdfs_loop *loop, uint64_t unique);

/* Makes the gate of a node, shut. NULL when the node has one, or without memory. */
struct rbdfs_gate *rbdfs_gate_new(struct rbdfs_loop *loop, uint64_t node);

/* Ends a gate that is closed. */
void rbdfs_gate_free(struct rbdfs_gate *gate);

/* Lets requests to [0, size) of an image pass. Writes are remembered by periods.
 * It lets none pass behind what it has memory to remember. */
void rbdfs_gate_open(struct rbdfs_gate *gate, const struct rbdfs_io_calls *calls, void *image,
		     uint64_t period, uint64_t size);

/* Lets no request in. */
void rbdfs_gate_shut(struct rbdfs_gate *gate);

/* Lets no request in, and waits for those in flight. */
void rbdfs_gate_close(struct rbdfs_gate *gate);

/* What has passed a gate. */
struct rbdfs_passed {
	uint64_t writes;  /* grows when one begins and when it is over */
	uint64_t writing; /* in flight; read after writes */
	int64_t at;       /* of the last change of writes, ns since 1970 */
};

void rbdfs_gate_passed(struct rbdfs_gate *gate, struct rbdfs_passed *passed);

/* Takes the first range at or after *off that was written since it was last taken;
 * false when there is none. */
bool rbdfs_gate_take_written(struct rbdfs_gate *gate, uint64_t *off, uint64_t *len);

/* Totals of what was served here. */
struct rbdfs_totals {
	uint64_t reads, read_bytes, read_ns;
	uint64_t writes, written_bytes, write_ns;
	uint64_t redone; /* begun here, ended elsewhere */
};

void rbdfs_loop_totals(struct rbdfs_loop *loop, struct rbdfs_totals *totals);

#endif
