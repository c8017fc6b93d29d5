/* Writes that are acknowledged before they are on the OSDs. */
#ifndef RBDFS_BEHIND_H
#define RBDFS_BEHIND_H

#include <rbd/librbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../datapath.h"

/* What all images of a connection may have under way together, in bytes. An image
 * may have share under way whatever the others have, so that none that waits for its
 * OSDs stops another. */
struct rbdfs_behind_total {
	size_t limit;
	size_t share;
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
 * before. Returns 0 or a negative errno; -EINVAL when the range is not inside the image.
 * A write that fails later is lost, and counted. From then to the next flush a write
 * returns when it is over, with its own result. */
int rbdfs_behind_write(struct rbdfs_behind *b, uint64_t off, size_t len, const char *buf);

/* Is rbdfs_behind_write that does not wait: io->done is called where that returns.
 * Returns 0, or a negative errno and done will not be called. */
int rbdfs_behind_submit(struct rbdfs_behind *b, struct rbdfs_io *io);

/* Tells whether writes to [off, off+len) are under way. */
bool rbdfs_behind_busy(struct rbdfs_behind *b, uint64_t off, uint64_t len);

/* Waits for the writes to [off, off+len). */
void rbdfs_behind_await(struct rbdfs_behind *b, uint64_t off, uint64_t len);

/* Waits for the writes that were begun before, whether they fail or not. */
void rbdfs_behind_flush(struct rbdfs_behind *b);

/* Returns how many writes were lost since b was made, and the errno of the last of
 * them, negative, or 0. */
uint64_t rbdfs_behind_lost(struct rbdfs_behind *b, int *error);

#endif
