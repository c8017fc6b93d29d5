package loop

/*
#include "loop.h"
*/
import "C"

import (
	"time"

	"rbdfs/rbdio"
)

// gate is the C gate of one node.
type gate struct{ c *C.struct_rbdfs_gate }

var _ rbdio.Gate = gate{}

// Gate returns the gate of a node; nil while another one of that node is in use, as
// after the cluster has cut off the client that opened the file first.
func (l *Loop) Gate(node uint64) rbdio.Gate {
	c := C.rbdfs_gate_new(l.c, C.uint64_t(node))
	if c == nil {
		return nil
	}
	return gate{c}
}

// Open lets requests to [0, size) of an image pass.
//
// Calls rbdfs_gate_open.
func (g gate) Open(img rbdio.Direct, period, size uint64) {
	C.rbdfs_gate_open(g.c, (*C.struct_rbdfs_io_calls)(img.Calls), img.Image, C.uint64_t(period), C.uint64_t(size))
}

// Shut lets no request in.
//
// Calls rbdfs_gate_shut.
func (g gate) Shut() { C.rbdfs_gate_shut(g.c) }

// Close lets no request in, and waits for those in flight.
//
// Calls rbdfs_gate_close.
func (g gate) Close() { C.rbdfs_gate_close(g.c) }

// Passed tells of the writes that have passed.
//
// Calls rbdfs_gate_passed.
func (g gate) Passed() rbdio.Passed {
	var p C.struct_rbdfs_passed
	C.rbdfs_gate_passed(g.c, &p)
	return rbdio.Passed{Writes: uint64(p.writes), Writing: uint64(p.writing), At: time.Unix(0, int64(p.at))}
}

// TakeWritten calls each with the ranges that were written since it was last called.
//
// Calls rbdfs_gate_take_written.
func (g gate) TakeWritten(each func(fileOff, length uint64)) {
	var off, length C.uint64_t
	for C.rbdfs_gate_take_written(g.c, &off, &length) {
		each(uint64(off), uint64(length))
		off += length
	}
}

// Free ends the use of the gate.
//
// Calls rbdfs_gate_free.
func (g gate) Free() { C.rbdfs_gate_free(g.c) }
