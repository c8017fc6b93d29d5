/* What changed in an image since an older snapshot. */
#ifndef RBDFS_DIFF_H
#define RBDFS_DIFF_H

#include <rbd/librbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A half-open range of bytes. */
struct rbdfs_change {
	uint64_t begin;
	uint64_t end;
	bool exists; /* and may hold other bytes than zeros */
};

/* A list of changes that grows. list is to be freed with free. */
struct rbdfs_changes {
	struct rbdfs_change *list;
	size_t n;
	size_t room;
};

/* Collects what of [off, off+len) changed since a snapshot, by its id, or 0 for an
 * image of zeros, exactly. Returns 0 or a negative errno. */
int rbdfs_diff(rbd_image_t image, uint64_t older, uint64_t off, uint64_t len,
	       struct rbdfs_changes *out);

#endif
