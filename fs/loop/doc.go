// Package loop is the request loop on /dev/fuse.
//
// # Structure
//
//	loop.c     reads requests, and serves READ and WRITE where a gate lets them
//	gate.c     gates: which images, up to which size, and what was written
//	request.c  the memory of requests
//	share.c    how much of it each node may use, and those that wait
//	loop.go    hands all others to go-fuse's ProtocolServer, and writes its replies
//	gate.go    gates for rbdio.File
//	interrupt.go  requests that are interrupted, or wait for long
//	mount.go   opens /dev/fuse and mounts it
//	testdata   tests of the C alone, which tests/sanitize builds and runs
//	fakeimage  an image in C, for the tests in Go
//
// A few goroutines stay in C, reading: a READ or WRITE of an open image, inside its
// size, goes straight to the image's C calls (rbdio/datapath.h), and their completion
// writes the reply, on whichever thread it comes. No goroutine wakes, and nothing is
// handed from one thread to another, but for what had to wait. Any other message returns to Go, as does one
// that was begun in C and did not end well: what failed is done again by those who
// can wait, map errors and log.
//
// # Who owns what
//
// The size, errors, growth and extents of a file are rbdio.File's alone. It opens the
// file's gate for what needs none of its decisions, and shuts it for all else; what
// has passed is counted in the gate, and absorbed by the File before it uses what it
// knows of writes.
//
// # Memory
//
// A request lives in a block of one of three sizes, from its message to its reply, or
// in one made to its measure while it waits.
//
// The kernel hands out requests in the order in which they came, those of all images in
// one queue, so not reading any would have all wait for one. Each READ and WRITE is
// counted in its node's share, whether C or Go serves it. One that its share does not
// admit waits in C, behind the others of its node, and has no more than its message;
// the dispatcher begins it when its turn comes. It may be interrupted, and is then
// never begun. When its gate is shut by then, it goes to Go.
//
// Bounds, in bytes: what was admitted, 128 MiB and 1 MiB for each node beyond; all
// blocks, and the replies that Go makes, 1 GiB or a quarter of the machine's memory. A
// single image comes to that by a thousand threads, or asynchronous requests, of 1 MiB
// each. From there on readers wait, so that requests wait in the kernel. They take one
// more each second all the same: the kernel hands out interrupts first, and who waits
// for a cluster that does not answer must be able to give up.
//
// # What was tried
//
// On a machine with 2 cores, Linux 6.18 and a cluster on itself, these were no faster
// than what is here, or not by more than the noise of 10%:
//
//   - one reader: as good for 4k, 8% fewer sequential reads of 64k
//   - a descriptor for each reader (FUSE_DEV_IOC_CLONE), of two or four
//   - requests of 4 MiB (fs.fuse.max_pages_limit): up to 15% less CPU for writes, and up
//     to 9% fewer
//   - FUSE over io_uring, in a file system that answers from memory: with answers that
//     come from another thread, as librbd's do, 20% fewer requests one at a time, and
//     the same many at a time
//   - rbd_disable_zero_copy_writes=false, which is faster, and not safe (rbdio/librbd)
//
// # Locking
//
// In C one lock guards gates, shares, requests in flight and free memory; it is not held
// across a call of an image or of the kernel. Loop.mu in Go is taken alone.
package loop
