/* An open image for a request loop in C. */
#ifndef RBDFS_DIRECT_H
#define RBDFS_DIRECT_H

#include "behind.h"

/* What the images of one connection share. */
struct rbdfs_shared {
	int fenced; /* atomic: not 0 when the cluster has cut this client off */
	struct rbdfs_behind_total behind;
};

struct rbdfs_direct {
	rbd_image_t image;
	struct rbdfs_behind *behind; /* NULL when a write waits for the OSDs */
	struct rbdfs_shared *shared;

	/* Atomic: how often the image's header has changed, and after how many of these
	 * librbd last read it. While they differ, asking it for the size may wait for the
	 * cluster. */
	unsigned changes;
	unsigned seen;
	uint64_t watch;
};

/* Begins to count changes of the header, until rbdfs_direct_unwatch. Returns 0 or a
 * negative errno. */
int rbdfs_direct_watch(struct rbdfs_direct *d);
void rbdfs_direct_unwatch(struct rbdfs_direct *d);

/* Has librbd read the header if it has changed, and waits for that. Returns 0 or a
 * negative errno. */
int rbdfs_direct_refresh(struct rbdfs_direct *d);

/* Takes a struct rbdfs_direct. */
extern const struct rbdfs_io_calls rbdfs_direct_calls;

#endif
