/* Plays the kernel, over a socket pair in the place of /dev/fuse, which keeps
 * messages apart as that does; and Go, which hands back what is handed on to it. */
#ifndef RBDFS_TEST_KERNEL_H
#define RBDFS_TEST_KERNEL_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../gate.h"
#include "../../../tests/sanitize/check.h"

#define MAX_IO 262144 /* a socket takes no longer message without privileges */
#define READERS 2

/* The error of a reply that Go makes, with the message behind the header. */
#define HANDED_ON (-EREMOTE)

/* A request. A READ has the same fields, and ends before data. */
struct message {
	struct fuse_in_header h;
	struct fuse_write_in in;
	char data[MAX_IO];
};
_Static_assert(offsetof(struct fuse_read_in, size) == offsetof(struct fuse_write_in, size), "as said");
_Static_assert(offsetof(struct fuse_read_in, offset) == offsetof(struct fuse_write_in, offset), "as said");

struct answer {
	struct fuse_out_header h;
	char data[sizeof(struct message)];
	size_t len;
};

struct kernel {
	struct rbdfs_loop *loop;
	int fd;     /* the kernel's end */
	int server; /* the loop's */
	uint64_t unique;
	int error;   /* atomic: of the last that was redone */
	int starved; /* atomic: how often a reader had no memory */
	int reading;
	pthread_t readers[READERS], dispatcher;
};

/* Hands a message back to the kernel, as it came. */
static void hand_back(struct kernel *k, char *data, size_t len)
{
	struct fuse_out_header out = {.len = sizeof(out) + len, .error = HANDED_ON};
	struct iovec parts[] = {{&out, sizeof(out)}, {data, len}};

	if (len >= sizeof(struct fuse_in_header))
		out.unique = ((struct fuse_in_header *)data)->unique;
	CHECK(writev(k->server, parts, 2) == (ssize_t)out.len);
	rbdfs_message_free(data);
}

static void redone(uintptr_t handle, char *data, size_t len, int error)
{
	struct kernel *k = (struct kernel *)handle;

	__atomic_store_n(&k->error, error, __ATOMIC_SEQ_CST);
	hand_back(k, data, len);
}

static void *read_requests(void *arg)
{
	struct kernel *k = arg;
	struct rbdfs_message m;
	int r;

	while ((r = rbdfs_loop_next(k->loop, k->server, &m)) == 0 || r == -ENOMEM) {
		if (r == 0)
			hand_back(k, m.data, m.len);
		else
			__atomic_add_fetch(&k->starved, 1, __ATOMIC_SEQ_CST);
	}
	CHECK(r == -ENODEV);
	return NULL;
}

static void *dispatch(void *arg)
{
	rbdfs_loop_dispatch(((struct kernel *)arg)->loop);
	return NULL;
}

static struct kernel *kernel_with(size_t memory, size_t most, int readers)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int fds[2], room = 2 * MAX_IO;

	signal(SIGPIPE, SIG_IGN);
	CHECK(k != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	k->fd = fds[0];
	k->server = fds[1];
	k->loop = rbdfs_loop_new(MAX_IO, memory, most, redone, (uintptr_t)k);
	CHECK(k->loop != NULL);
	k->reading = readers;
	for (int i = 0; i < readers; i++)
		k->readers[i] = start_thread(read_requests, k);
	k->dispatcher = start_thread(dispatch, k);
	return k;
}

static struct kernel *kernel_new(size_t memory, size_t most) { return kernel_with(memory, most, READERS); }

/* Unmounts. */
static void kernel_end(struct kernel *k)
{
	CHECK(shutdown(k->fd, SHUT_RDWR) == 0);
	for (int i = 0; i < k->reading; i++)
		join(k->readers[i]);
	rbdfs_loop_end(k->loop);
	join(k->dispatcher);
}

/* Nothing is in flight any more, so nothing is lent. */
static void kernel_free(struct kernel *k)
{
	CHECK(k->loop->pool.lent == 0 && k->loop->shares.admitted == 0);
	for (int i = 0; i < SHARES; i++)
		CHECK(k->loop->shares.nodes[i] == NULL);
	CHECK(k->loop->oldest == NULL && k->loop->newest == NULL);
	rbdfs_loop_free(k->loop);
	close(k->fd);
	close(k->server);
	free(k);
}

static void kernel_send(struct kernel *k, const void *data, size_t len)
{
	CHECK(send(k->fd, data, len, 0) == (ssize_t)len);
}

/* Receives the next answer; false after timeout_ms. */
static bool kernel_poll(struct kernel *k, struct answer *a, int timeout_ms)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, timeout_ms) != 1)
		return false;
	n = recv(k->fd, a, offsetof(struct answer, len), 0);
	CHECK(n >= (ssize_t)sizeof(a->h) && a->h.len == (size_t)n);
	a->len = (size_t)n - sizeof(a->h);
	return true;
}

static void kernel_receive(struct kernel *k, struct answer *a) { CHECK(kernel_poll(k, a, 60000)); }

/* Fills m with a READ or a WRITE of [off, off+size) and returns its length. */
static size_t make(struct kernel *k, struct message *m, uint32_t opcode, uint64_t node, uint64_t off, uint32_t size)
{
	size_t len = HEAD + (opcode == FUSE_WRITE ? size : 0);

	m->h = (struct fuse_in_header){
		.len = (uint32_t)len, .opcode = opcode, .unique = k->unique += 2, .nodeid = node, .pid = 1};
	m->in = (struct fuse_write_in){.offset = off, .size = size};
	return len;
}

/* Sends a message and wants it handed on as it is. */
static void want_handed_on(struct kernel *k, const void *data, size_t len)
{
	static struct answer a;

	kernel_send(k, data, len);
	kernel_receive(k, &a);
	CHECK(a.h.error == HANDED_ON && a.len == len && memcmp(a.data, data, len) == 0);
}

/* Sends a request and wants it served. */
static void want_served(struct kernel *k, const struct message *m, size_t len, struct answer *a)
{
	kernel_send(k, m, len);
	kernel_receive(k, a);
	CHECK(a->h.error == 0 && a->h.unique == m->h.unique);
}

#endif
