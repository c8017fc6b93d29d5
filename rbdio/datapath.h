/* How a request loop in C reads and writes an open image without passing through
 * Go: fs/loop calls, rbdio/librbd supplies, and neither knows the other. */
#ifndef RBDFS_DATAPATH_H
#define RBDFS_DATAPATH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One read or write of [off, off+len) in bytes. The caller's until it is begun
 * and again from the call of done, which any thread makes, once, maybe before the
 * call that began it has returned. */
struct rbdfs_io {
	uint64_t off;
	size_t len;
	char *buf;
	/* result is the number of bytes, or a negative errno. */
	void (*done)(struct rbdfs_io *io, ssize_t result);
};

/* What can be done with an image. Each returns 0 when the io has begun; any other
 * value says that it has not, done will not be called, and that the caller should
 * go the way through Go, which can wait and tell errors apart. None blocks. */
struct rbdfs_io_calls {
	int (*read)(void *image, struct rbdfs_io *io);
	int (*write)(void *image, struct rbdfs_io *io);
};

#endif
