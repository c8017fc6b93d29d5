#include "image.h"

#include <errno.h>
#include <stdlib.h>

static int facts_of(rbd_image_t image, struct rbdfs_facts *facts)
{
	rbd_image_info_t info;
	uint64_t count;
	size_t len = sizeof(facts->name);
	int r = rbd_stat(image, &info, sizeof(info));

	if (r == 0)
		r = rbd_get_stripe_count(image, &count);
	if (r == 0)
		r = rbd_get_features(image, &facts->features);
	if (r < 0)
		return r;
	facts->layout = info.obj_size * count;
	if (rbd_get_name(image, facts->name, &len) < 0)
		facts->name[0] = '\0';
	return 0;
}

int rbdfs_open(rados_ioctx_t io, const char *id, uint64_t snap, bool read_only,
	       rbd_image_t *image, struct rbdfs_facts *facts)
{
	int r = read_only ? rbd_open_by_id_read_only(io, id, image, NULL)
			  : rbd_open_by_id(io, id, image, NULL);

	if (r < 0)
		return r;
	if (snap != RBDFS_NO_SNAP)
		r = rbd_snap_set_by_id(*image, snap);
	if (r == 0)
		r = facts_of(*image, facts);
	if (r < 0)
		rbd_close(*image);
	return r;
}

int rbdfs_options(rbd_image_t image, rbd_config_option_t **options, int *n)
{
	int r;

	for (*n = 256;;) {
		*options = calloc((size_t)*n, sizeof(**options));
		if (*options == NULL)
			return -ENOMEM;
		r = rbd_config_image_list(image, *options, n); /* n for -ERANGE, too */
		if (r == 0)
			return 0;
		free(*options);
		if (r != -ERANGE)
			return r;
	}
}

void rbdfs_options_free(rbd_config_option_t *options, int n)
{
	rbd_config_image_list_cleanup(options, n);
	free(options);
}

static int no_progress(uint64_t done, uint64_t total, void *arg)
{
	(void)done;
	(void)total;
	(void)arg;
	return 0;
}

int rbdfs_resize(rbd_image_t image, uint64_t size, bool shrink)
{
	return rbd_resize2(image, size, shrink, no_progress, NULL);
}

static int report(uint64_t done, uint64_t total, void *arg)
{
	struct rbdfs_progress *p = arg;

	__atomic_store_n(&p->done, done, __ATOMIC_RELAXED);
	__atomic_store_n(&p->total, total, __ATOMIC_RELAXED);
	return __atomic_load_n(&p->stop, __ATOMIC_RELAXED) ? -ECANCELED : 0;
}

int rbdfs_flatten(rbd_image_t image, struct rbdfs_progress *progress)
{
	return rbd_flatten_with_progress(image, report, progress);
}

int rbdfs_mirror_secondary(rbd_image_t image, bool *secondary)
{
	rbd_mirror_image_info_t info;
	int r = rbd_mirror_image_get_info(image, &info, sizeof(info));

	if (r < 0)
		return r;
	*secondary = info.state == RBD_MIRROR_IMAGE_ENABLED && !info.primary;
	rbd_mirror_image_get_info_cleanup(&info);
	return 0;
}

int rbdfs_snap_rename(rados_ioctx_t io, const char *id, const char *from, const char *to)
{
	rbd_image_t image;
	int closed, r = rbd_open_by_id(io, id, &image, NULL);

	if (r < 0)
		return r;
	r = rbd_snap_rename(image, from, to);
	closed = rbd_close(image);
	return r < 0 ? r : closed;
}

static int collect(uint64_t off, size_t len, int exists, void *arg)
{
	struct rbdfs_extents *e = arg;
	uint64_t begin = off - off % e->align;
	uint64_t end = off + len + (e->align - (off + len) % e->align) % e->align;

	if (!exists || len == 0)
		return 0;
	/* One period's stripes come one by one, each widened to the period. */
	if (e->n > 0 && begin >= e->list[e->n - 1].begin && begin <= e->list[e->n - 1].end) {
		if (end > e->list[e->n - 1].end)
			e->list[e->n - 1].end = end;
		return 0;
	}
	if (e->n == e->room) {
		size_t room = e->room ? 2 * e->room : 64;
		struct rbdfs_extent *list = realloc(e->list, room * sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		e->list = list;
		e->room = room;
	}
	e->list[e->n].begin = begin;
	e->list[e->n].end = end;
	e->n++;
	return 0;
}

int rbdfs_extents(rbd_image_t image, uint64_t off, uint64_t len, struct rbdfs_extents *out)
{
	/* include_parent, whole_object: by the object map where there is one, and
	 * otherwise by listing each object's snapshots. */
	return rbd_diff_iterate2(image, NULL, off, len, 1, 1, collect, out);
}
