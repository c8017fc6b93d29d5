package memrbd

import (
	"math/rand/v2"
	"slices"

	"rbdfs/rbdio"
)

// unflushed is a write that waits in a cache, or what later calls left of it.
type unflushed struct {
	off uint64
	p   []byte
}

// maxPiece is the most of a write that a crash keeps or loses as one, in bytes.
const maxPiece = 512

// Crash ends this client without warning. What was not flushed is lost, and what
// was open answers rbdio.Fenced for good. The pool itself goes on, as a new
// client of the same images.
func (p *Pool) Crash() { p.crash(nil) }

// CrashAtRandom is Crash that keeps some of what was not flushed: each write falls
// into pieces, and any of them are on the OSDs, in any order.
func (p *Pool) CrashAtRandom(random *rand.Rand) { p.crash(random) }

func (p *Pool) crash(random *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for h := range p.handles {
		h.state = handleFenced
		if random != nil {
			h.keepSomeLocked(random)
		}
	}
	clear(p.handles)
}

// keepSomeLocked moves some of what was not flushed to the OSDs.
func (h *handle) keepSomeLocked(random *rand.Rand) {
	var pieces []unflushed
	for _, w := range h.writes {
		for len(w.p) > 0 {
			n := 1 + random.IntN(min(len(w.p), maxPiece))
			if random.IntN(2) == 0 {
				pieces = append(pieces, unflushed{w.off, w.p[:n]})
			}
			w.off, w.p = w.off+uint64(n), w.p[n:]
		}
	}
	random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for _, w := range pieces {
		h.image.durable.writeAt(w.p, w.off)
	}
}

// waitsLocked notes a write that waits in the cache.
func (h *handle) waitsLocked(p []byte, fileOff uint64) {
	h.cache.writeAt(p, fileOff)
	h.dirty.Add(fileOff, uint64(len(p)))
	h.writes = append(h.writes, unflushed{fileOff, slices.Clone(p)})
}

// dropLocked drops what waits in the cache for a range.
func (h *handle) dropLocked(fileOff, length uint64) {
	h.dirty.Remove(fileOff, length)
	var left []unflushed
	for _, w := range h.writes {
		var rest rbdio.ExtentSet
		rest.Add(w.off, uint64(len(w.p)))
		rest.Remove(fileOff, length)
		for _, e := range rest.Extents() {
			left = append(left, unflushed{e.Off, w.p[e.Off-w.off : e.End()-w.off]})
		}
	}
	h.writes = left
}
