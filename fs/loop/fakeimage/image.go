// Package fakeimage is an image for tests of package loop, which can call only C,
// where tests cannot have any: what is read or written waits until the test says how
// it ends.
package fakeimage

/*
#cgo CFLAGS: -Wall -Wextra -Werror
#include <pthread.h>
#include <stdlib.h>
#include "../../../rbdio/datapath.h"

struct fake {
	pthread_mutex_t lock;
	pthread_cond_t begun;
	struct rbdfs_io *io; // the one that waits
};

static int fake_begin(void *image, struct rbdfs_io *io)
{
	struct fake *f = image;
	int r = -1; // one after the other

	pthread_mutex_lock(&f->lock);
	if (f->io == NULL) {
		f->io = io;
		r = 0;
	}
	pthread_cond_broadcast(&f->begun);
	pthread_mutex_unlock(&f->lock);
	return r;
}

static const struct rbdfs_io_calls *fake_calls(void)
{
	static const struct rbdfs_io_calls calls = {.read = fake_begin, .write = fake_begin};

	return &calls;
}

static struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->begun, NULL);
	return f;
}

static void fake_await(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	while (f->io == NULL)
		pthread_cond_wait(&f->begun, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

// Ends the one that waits, with all of its bytes or an error.
static void fake_end(struct fake *f, int error)
{
	struct rbdfs_io *io;

	pthread_mutex_lock(&f->lock);
	io = f->io;
	f->io = NULL;
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < io->len && error == 0; i++)
		io->buf[i] = 'x';
	io->done(io, error < 0 ? error : (ssize_t)io->len);
}
*/
import "C"

import (
	"syscall"
	"unsafe"

	"rbdfs/rbdio"
)

// Image holds what is read and written, one after the other; beside that, it refuses.
type Image struct{ c *C.struct_fake }

// New makes an image.
func New() *Image { return &Image{C.fake_new()} }

// Direct returns the image for package loop.
func (i *Image) Direct() rbdio.Direct {
	return rbdio.Direct{Calls: unsafe.Pointer(C.fake_calls()), Image: unsafe.Pointer(i.c)}
}

// Await returns when a read or a write has begun.
func (i *Image) Await() { C.fake_await(i.c) }

// End ends what has begun: 0 for all of it, where a read finds x in each byte.
func (i *Image) End(errno syscall.Errno) { C.fake_end(i.c, C.int(-int(errno))) }

// Free ends the use of the image.
func (i *Image) Free() { C.free(unsafe.Pointer(i.c)) }
