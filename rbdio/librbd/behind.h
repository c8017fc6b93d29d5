/* Writes that are acknowledged before they are on the OSDs. */
#ifndef RBDFS_BEHIND_H
#define RBDFS_BEHIND_H

#include <rbd/librbd.h>
#include <stddef.h>
#include <stdint.h>

/* The writes of one image that are under way. Its functions may overlap. */
struct rbdfs_behind;

/* Makes one that holds limit bytes, or a single write of any length. NULL without
 * memory. */
struct rbdfs_behind *rbdfs_behind_new(rbd_image_t image, size_t limit);

/* Waits for all writes, and ends b. */
void rbdfs_behind_free(struct rbdfs_behind *b);

/* Begins a write of buf, which librbd copies, once there is room and no write to
 * the same bytes is under way. Returns 0 or a negative errno: -EINVAL when the
 * range is not inside the image, or the error of an earlier write until the next
 * flush. */
int rbdfs_behind_write(struct rbdfs_behind *b, uint64_t off, size_t len, const char *buf);

/* Waits for the writes to [off, off+len). */
void rbdfs_behind_await(struct rbdfs_behind *b, uint64_t off, uint64_t len);

/* Waits for the writes that were begun before. Returns 0, or the first error of a
 * write since the last call. */
int rbdfs_behind_flush(struct rbdfs_behind *b);

#endif
