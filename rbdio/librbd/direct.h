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
};

/* Takes a struct rbdfs_direct. */
extern const struct rbdfs_io_calls rbdfs_direct_calls;

#endif
