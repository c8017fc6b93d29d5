package fs

import "sync"

// bufferPool lends buffers for reads and writes. go-fuse reuses a request's own
// buffers as soon as it is answered, also when it was given up, so a call into
// librbd gets a buffer of ours, which goes back when librbd has returned.
type bufferPool struct {
	small sync.Pool // *[]byte of smallBuffer
	large sync.Pool // *[]byte of largeBuffer
}

const (
	smallBuffer = 64 << 10
	largeBuffer = 1 << 20
)

// get returns a buffer of n bytes.
func (p *bufferPool) get(n int) *[]byte {
	pool, size := p.class(n)
	if pool == nil {
		b := make([]byte, n)
		return &b
	}
	b, _ := pool.Get().(*[]byte)
	if b == nil {
		fresh := make([]byte, size)
		b = &fresh
	}
	*b = (*b)[:n]
	return b
}

// put takes a buffer back.
func (p *bufferPool) put(b *[]byte) {
	if pool, _ := p.class(cap(*b)); pool != nil {
		pool.Put(b)
	}
}

// class returns the pool for buffers of n bytes, and their capacity.
func (p *bufferPool) class(n int) (*sync.Pool, int) {
	switch {
	case n <= smallBuffer:
		return &p.small, smallBuffer
	case n <= largeBuffer:
		return &p.large, largeBuffer
	}
	return nil, 0
}
