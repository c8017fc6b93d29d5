#include "diff.h"

#include <errno.h>
#include <stdlib.h>

static int grow(struct rbdfs_changes *c)
{
	size_t room = c->room ? 2 * c->room : 64;
	struct rbdfs_change *list = realloc(c->list, room * sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	c->list = list;
	c->room = room;
	return 0;
}

/* Called for one range at a time, also where objects are listed in parallel. */
static int collect(uint64_t off, size_t len, int exists, void *arg)
{
	struct rbdfs_changes *c = arg;

	if (len == 0)
		return 0;
	if (c->n > 0 && c->list[c->n - 1].end == off && c->list[c->n - 1].exists == (exists != 0)) {
		c->list[c->n - 1].end += len;
		return 0;
	}
	if (c->n == c->room && grow(c) < 0)
		return -ENOMEM;
	c->list[c->n].begin = off;
	c->list[c->n].end = off + len;
	c->list[c->n].exists = exists != 0;
	c->n++;
	return 0;
}

int rbdfs_diff(rbd_image_t image, uint64_t older, uint64_t off, uint64_t len,
	       struct rbdfs_changes *out)
{
	size_t room = 0;
	char *name = NULL;
	int r = 0;

	if (older != 0) {
		/* As this handle knows it: the snapshot may have been renamed since. */
		r = rbd_snap_get_name(image, older, NULL, &room);
		if (r == -ERANGE) {
			name = malloc(room + 1);
			r = name == NULL ? -ENOMEM : rbd_snap_get_name(image, older, name, &room);
		}
	}
	if (r >= 0)
		r = rbd_diff_iterate2(image, name, off, len, older == 0, 0, collect, out);
	free(name);
	return r;
}
