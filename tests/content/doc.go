// Package content compares an image's file with what was written to it, in as
// many ways as there are to read it: through the page cache, by O_DIRECT, by
// SEEK_DATA and SEEK_HOLE, by stat and by the rbd command.
//
// Offsets and lengths are in bytes. A Content is one goroutine's.
package content
