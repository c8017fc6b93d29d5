// Package loop is the request loop on /dev/fuse.
//
// # Structure
//
//	loop.c     reads requests, and serves READ and WRITE where a gate lets them
//	gate.c     gates: which images, up to which size, and what was written
//	request.c  the memory of requests
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
// handed from one thread to another. Any other message returns to Go, as does one
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
// A request lives in a block of one of three sizes, from its message to its reply.
// While too much is lent, readers wait, so that requests wait in the kernel; what is
// for Go counts too, with no more than its message needs. They take one more each
// second all the same: the kernel hands out interrupts first, and who waits for a
// cluster that does not answer must be able to give up.
//
// # Locking
//
// In C one lock guards gates, requests in flight and free memory; it is not held
// across a call of an image or of the kernel. Loop.mu in Go is taken alone.
package loop
