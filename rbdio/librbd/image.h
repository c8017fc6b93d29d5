/* librbd calls that take more than one step, on images. */
#ifndef RBDFS_IMAGE_H
#define RBDFS_IMAGE_H

#include <rbd/librbd.h>
#include <stdbool.h>
#include <stdint.h>

/* What does not change while an image is open, or matters only for logs. */
struct rbdfs_facts {
	char name[256]; /* "" for a longer one */
	uint64_t layout; /* object size times stripe count, bytes */
	uint64_t features;
};

/* CEPH_NOSNAP: the image itself. */
#define RBDFS_NO_SNAP ((uint64_t)-2)

/* Opens an image by its id, as of a snapshot or RBDFS_NO_SNAP. Returns 0 or a
 * negative errno. */
int rbdfs_open(rados_ioctx_t io, const char *id, uint64_t snap, bool read_only,
	       rbd_image_t *image, struct rbdfs_facts *facts);

/* Lists an image's options into *options, *n of them, for rbdfs_options_free. Returns 0
 * or a negative errno. */
int rbdfs_options(rbd_image_t image, rbd_config_option_t **options, int *n);
void rbdfs_options_free(rbd_config_option_t *options, int n);

/* Resizes an image; without shrink -EINVAL for one that is larger already. */
int rbdfs_resize(rbd_image_t image, uint64_t size, bool shrink);

/* rbdio.Progress: read and written by both sides at once. */
struct rbdfs_progress {
	uint64_t done;
	uint64_t total;
	uint64_t stop;
};

/* Copies what the parent backs into a clone; fails soon after stop is set. */
int rbdfs_flatten(rbd_image_t image, struct rbdfs_progress *progress);

/* Tells whether mirroring lets another cluster alone write to the image. */
int rbdfs_mirror_secondary(rbd_image_t image, bool *secondary);

/* Renames a snapshot of the image with an id. Returns 0 or a negative errno. */
int rbdfs_snap_rename(rados_ioctx_t io, const char *id, const char *from, const char *to);

/* A half-open range of bytes. */
struct rbdfs_extent {
	uint64_t begin;
	uint64_t end;
};

/* A list of extents that grows. list is to be freed with free. */
struct rbdfs_extents {
	struct rbdfs_extent *list;
	size_t n;
	size_t room;
	uint64_t align; /* extents are widened to multiples of it */
};

/* Collects what of [off, off+len) may hold data. Returns 0 or a negative errno. */
int rbdfs_extents(rbd_image_t image, uint64_t off, uint64_t len, struct rbdfs_extents *out);

#endif
