// Package librbd is the only place that speaks to Ceph: it implements
// rbdio.Pool on librados and librbd.
//
// # Structure
//
//	connect.go, options.go, environment.go   from a Config to a connection
//	key.go                                   the user's key: where it is, and its type
//	config.go                                Config, and StartError for a start that fails
//	session.go, pool.go                      the connection of now, and its successor
//	directory.go                             names and ids: List, Lookup, Create, Rename
//	changed.go                               when a list was last changed
//	header.go, header_attr.go                Stat and SetAttr, without opening the image
//	metadata.go, metadata_keys.go,
//	describe.go, usage.go                    what an administrator asks
//	remove.go, trash.go                      removal in two steps
//	full.go                                  removal and renaming in a full pool
//	purge.go, purge_objects.go               the second of them
//	housekeeper.go                           a connection of its own for long work
//	snapshot.go, snapshot_open.go            snapshots: list, stat, open
//	clone.go                                 clones of snapshots
//	snapshot_change.go                       snapshots: create, remove, rename
//	group.go, group_encoding.go              consistency groups: list
//	group_change.go, group_lock.go           group snapshots: create, remove, rename
//	group_member.go                          images as of a group snapshot
//	patience.go                              what waits for another's group snapshot
//	image_open.go, image_io.go               images
//	image_options.go                         librbd's options that safety rests on
//	image_cut.go, cut.c                      giving back what an image grew ahead
//	image_extents.go                         where an image may have data
//	exec.go, exec.c                          several cls_rbd methods in one RADOS operation
//	encoding.go, objectmap.go                Ceph's encodings, pure Go
//	image.c                                  librbd calls in several steps
//
// go-ceph is used where it has the call and the call is not made for each read
// or write. Images that files are served from are opened by calls of our own:
// they need librbd functions that go-ceph does not have, on the same handle.
//
// # Units and errors
//
// Offsets, lengths and sizes are bytes; ranges are half-open. All errors but
// Connect's are *rbdio.Error, with a positive errno.
//
// # What is not done through librbd, and why
//
// Stat and SetAttr read and write the header object by the methods that librbd
// itself uses (class rbd: src/cls/rbd/cls_rbd.cc). Opening an image costs 4 to
// 8 ms, and opening it for writing a watcher, and a change the exclusive lock,
// which may be a running machine's. One operation reads everything; a second
// counts the objects by the object map. Where a method's answer is not
// understood, the number is rbdio.Unknown.
//
// CutBack sets the size in the header, and has librbd read it: image_cut.go.
//
// # Concurrency
//
// The client that files are served by does nothing long: librbd goes through the
// objects of an image on the client's one thread for completions. Large images are
// purged by the housekeeper, one at a time, and shrunk in steps (image_io.go).
//
// Everything may be called from several goroutines at once, but an image's Close,
// which must come last. Each call into Ceph blocks its thread; rbdio.Limit bounds
// how many do. No lock is held across such a call.
//
// A connection that the cluster has blocklisted stays so: its images answer
// rbdio.Fenced for good, and the next call on the pool connects again. Calls that
// only read, and opening, are then repeated; changes are not, since part of one
// may have been done.
package librbd
