// Package snapshots shows what a pool keeps of its images' past as directories
// and files, for package fs to serve. It is pure over rbdio.
//
// # Structure
//
//	tree.go   the snapshots of each image: found, made, removed, renamed
//	file.go   one open snapshot, shared by all who have it open
//	holes.go  its extents
//
//	group.go       consistency groups, their snapshots and those's members
//	group_file.go  one member of a group snapshot as a File
//	recent.go      what was asked for a moment ago
//	streams.go         what changed between two snapshots, as a stream: opened, kept
//	stream.go          one open stream: reading it, finding what it is made of
//	stream_index.go    where in it each range stands
//	stream_format.go   the format, written; stream_decode.go the format, read
//	apply.go           streams applied to an image
//	apply_check.go     whether it stands where a stream starts
//	apply_undo.go      what puts it back after a failure
//	apply_pool.go      an image of a pool as what is applied to
//
// # Units and errors
//
// Offsets, lengths and sizes are in bytes; ranges are half-open. Errors are those
// of rbdio: ENOENT for a snapshot that there is not, ESTALE for one that was
// removed while it is open.
//
// # Freshness
//
// What Tree and Groups know of snapshots is at most listAge old, and never older
// than a change through the same mount. A snapshot itself never changes, so what
// a File knows of it stays true.
//
// # Locking
//
// Tree.mu, File.mu, recent.mu and streams.mu are taken alone, and none is held across a
// call to the pool. A stream is compared once, however many wait for it (streamEntry.made).
package snapshots
