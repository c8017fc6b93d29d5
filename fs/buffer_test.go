package fs

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestBuffersHaveTheLengthAskedFor(t *testing.T) {
	var p bufferPool
	for _, n := range []int{0, 1, 4096, smallBuffer - 1, smallBuffer, smallBuffer + 1, largeBuffer, largeBuffer + 1, 5 << 20} {
		for range 3 {
			b := p.get(n)
			if len(*b) != n {
				t.Fatalf("a buffer of %d bytes has %d", n, len(*b))
			}
			p.put(b)
		}
	}
}

func TestBuffersAreLentToOneAtATime(t *testing.T) {
	var p bufferPool
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 500 {
				n := rand.IntN(2*smallBuffer) + 1
				b := p.get(n)
				(*b)[0], (*b)[n-1] = byte(w), byte(w)
				if len(*b) != n || (*b)[0] != byte(w) || (*b)[n-1] != byte(w) {
					t.Error("somebody else writes to a buffer")
				}
				p.put(b)
			}
		})
	}
	wg.Wait()
}
