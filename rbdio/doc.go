// Package rbdio is what a file system needs from a block pool.
//
// # Structure
//
// Pool, and the small interfaces that it is made of, stand for an RBD pool:
// Directory for names, Headers for attributes, Trash for removal, Opener for
// images, Snapshots for those, Groups for consistency groups. ReadImage and Image are an open image; a snapshot
// hands out only a SnapshotImage, which reads and compares, so that writing to one does not compile. rbdio/librbd implements
// them on Ceph, rbdio/memrbd in memory for unit tests. Limit wraps a Pool to
// bound the calls that are in it at once.
//
// Files is the table of the images that a mount has open, and File one of them,
// shared by all of its users. A Handle is one open file description of it
// (handle.go). A File owns what librbd does not know: the logical
// size while the image is grown ahead of writes (file_size.go), the extents
// (file_holes.go), the time of the last write (file_io.go, file_attr.go), the count of
// what was acknowledged and lost (file_losses.go). A Call (call.go) is a request that
// may be given up before it is over. A Gate
// (gate.go) lets reads and writes that need none of that pass by a File. The
// purger deletes the data of removed images in the background (purge.go); until
// then Files lists and restores them (files_trash.go).
//
// # Units
//
// Offsets, lengths and sizes are in bytes; ranges are half-open, [off, off+len).
// fileOff is an offset in an image as a file, objectOff in a RADOS object.
//
// # Errors
//
// Every error of a Pool or an Image is an *Error with the errno that librbd or
// librados gave. errors.Is compares it with a syscall.Errno.
//
// A write is acknowledged before it is on the OSDs, and may fail after that. Such a
// failure is counted, and never taken: each Handle has its place in the count from its
// open on. Fsync tells what came since and moves the place of its own handle; Flush,
// for close, tells it and moves none; a snapshot has a place of its own (Still).
//
// # Locking
//
// Files.mu comes before File.mu, since dropping the last reference looks at both.
// Neither is held across a call to a Pool or an Image, which may block for as
// (file_holes.go), the time of the last write (file_io.go, file_attr.go), the count of
// what was acknowledged and lost (file_losses.go). A Call (call.go) is a request that
// may be given up before it is over. A Gate
// File.keeping) keeps others out meanwhile, and the condition File.changed tells them to look again.
// Reads and writes overlap each other; a resize waits for the writes in flight
// and holds new ones back; an image is closed when its last call has returned.
package rbdio
