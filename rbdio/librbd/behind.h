/* Writes that are acknowledged before they are on the OSDs. */
#ifndef RBDFS_BEHIND_H
#define RBDFS_BEHIND_H

#include <rbd/librbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../datapath.h"

/* What all images of a pool may have under way together, in bytes. */
struct rbdfs_behind_total {
	size_t limit;
	size_t bytes; /* atomic */
};

/* The writes of one image that are under way. Its functions may overlap. */
struct rbdfs_behind;

/* Makes one that holds limit bytes, less while all images together are over their
 * total, and a single write of any length at least. NULL without memory. */
struct rbdfs_behind *rbdfs_behind_new(rbd_image_t image, size_t limit, struct rbdfs_behind_total *total);

/* Waits for all writes, and ends b. */
void rbdfs_behind_free(struct rbdfs_behind *b);

/* Begins a write of buf, which librbd copies (rbd_disable_zero_copy_writes), once there
 * is room, no write to the same bytes is under way, and those have begun that waited
 * before. Returns 0 or a negative errno: -EINVAL when the range is not inside the image,
 * or the error of an earlier write until the next flush. */
int rbdfs_behind_write(struct rbdfs_behind *b, uint64_t off, size_t len, const char *buf);

/* Is rbdfs_behind_write that does not wait: io->done is called when the write has
 * begun. Returns 0, or a negative errno and done will not be called. */
int rbdfs_behind_submit(struct rbdfs_behind *b, struct rbdfs_io *io);

/* Tells whether writes to [off, off+len) are under way. */
bool rbdfs_behind_busy(struct rbdfs_behind *b, uint64_t off, uint64_t len);

/* Waits for the writes to [off, off+len). */
void rbdfs_behind_await(struct rbdfs_behind *b, uint64_t off, uint64_t len);

/* Waits for the writes that were begun before. Returns 0, or the first error of a
 * write since the last call; calls that overlap all return it. */
int rbdfs_behind_flush(struct rbdfs_behind *b);

#endif
