package fs

import (
	"context"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rbdfs/rbdio"
)

// dataFile is what a transfer moves bytes of.
type dataFile interface {
	ReadAt(p []byte, fileOff uint64) (int, error)
}

// writableFile is a dataFile that can be written to.
type writableFile interface {
	dataFile
	WriteFor(call *rbdio.Call, p []byte, fileOff uint64) error
}

// transfer is one read or write under way, with its buffer. It is used again and
// again, so that reading and writing allocate nothing; one that was given up is not,
// since librbd still uses its buffer.
type transfer struct {
	pool *transferPool
	file dataFile
	to   writableFile // for a write
	call rbdio.Call
	buf  *[]byte
	off  uint64
	n    int // bytes read
	done chan error
	run  func() // t.move, bound once
}

// transferPool lends transfers.
type transferPool struct {
	free sync.Pool // *transfer
	bufs bufferPool
}

// get returns a transfer with a buffer of n bytes.
func (p *transferPool) get(n int, off int64) *transfer {
	t, _ := p.free.Get().(*transfer)
	if t == nil {
		t = &transfer{pool: p, done: make(chan error, 1)}
		t.run = t.move
	}
	t.buf, t.off, t.n = p.bufs.get(n), uint64(off), 0
	return t
}

// put takes a transfer back that is over.
func (p *transferPool) put(t *transfer) {
	p.bufs.put(t.buf)
	t.file, t.to, t.buf = nil, nil, nil
	p.free.Put(t)
}

// move makes the call.
func (t *transfer) move() {
	if t.to != nil {
		t.done <- t.to.WriteFor(&t.call, *t.buf, t.off)
		return
	}
	var err error
	t.n, err = t.file.ReadAt(*t.buf, t.off)
	t.done <- err
}

// read reads up to size bytes of a file at off. The result is go-fuse's to end.
func (m *mount) read(ctx context.Context, name string, file dataFile, size int, off int64) (fuse.ReadResult, syscall.Errno) {
	t := m.transfers.get(size, off)
	t.file = file
	errno := m.await(ctx, name, nil, t.done, t.run)
	if errno != 0 {
		t.end(errno)
		return nil, errno
	}
	return t, 0
}

// write writes all of data to a file at off.
func (m *mount) write(ctx context.Context, name string, file writableFile, data []byte, off int64) (uint32, syscall.Errno) {
	t := m.transfers.get(len(data), off)
	t.to = file
	copy(*t.buf, data)
	errno := m.await(ctx, name, &t.call, t.done, t.run)
	t.end(errno)
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

// end gives a transfer back unless it was given up.
func (t *transfer) end(errno syscall.Errno) {
	if errno != syscall.EINTR {
		t.pool.put(t)
	}
}

// A transfer is the fuse.ReadResult of a read that went well.

// Readv copies what was read to dst, which is the reply. go-fuse's ProtocolServer
// would otherwise take Bytes, and use them after Done.
func (t *transfer) Readv(dst [][]byte) (int, fuse.Status) {
	from := (*t.buf)[:t.n]
	for _, d := range dst {
		from = from[copy(d, from):]
	}
	return t.n - len(from), fuse.OK
}

// Bytes returns what was read.
func (t *transfer) Bytes([]byte) ([]byte, fuse.Status) { return (*t.buf)[:t.n], fuse.OK }

// Size returns how many bytes were read.
func (t *transfer) Size() int { return t.n }

// Done takes the buffer back, after the reply was written.
func (t *transfer) Done() { t.pool.put(t) }
