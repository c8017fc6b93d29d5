package librbd

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

// mapOf makes an object map of states.
func mapOf(states []byte) objectMap {
	m := objectMap{objects: uint64(len(states)), bits: make([]byte, (len(states)+3)/4)}
	for i, s := range states {
		m.bits[i/4] |= s << (6 - i%4*2)
	}
	return m
}

// A model of an image: what each object held at each snapshot, and the maps that
// librbd would have kept. No object that differs between the first and the last
// is missed, whatever sizes the image has had.
func TestCompareMapsMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 40
		var states, first [most]byte
		var held, was [most]int // 0 for an object that is not there
		var before objectMap
		var changed objectBits
		serial := 0
		for snap := range rapid.IntRange(2, 5).Draw(t, "snapshots") {
			size := rapid.IntRange(0, most).Draw(t, "size")
			for o := range most {
				if states[o] == objectDirty {
					states[o] = objectClean
				}
				switch rapid.IntRange(0, 5).Draw(t, "change") {
				case 0:
					serial++
					states[o], held[o] = objectDirty, serial
				case 1:
					states[o], held[o] = objectNone, 0
				}
				if o >= size {
					states[o], held[o] = objectNone, 0
				}
			}
			now := mapOf(states[:size])
			if snap == 0 {
				first, was = states, held
			} else {
				changed.compare(before, now)
			}
			before = now
		}
		var set rbdio.ExtentSet
		for _, e := range changed.extents(10) {
			set.Add(e.Off, e.Len)
		}
		for o := range most {
			if held[o] != was[o] && !set.Covers(uint64(o)*10, 10) {
				t.Fatalf("object %d went from %d to %d: %v, first map %v", o, was[o], held[o], set.Extents(), first)
			}
		}
	})
}

func TestCompareMaps(t *testing.T) {
	var b objectBits
	b.compare(mapOf([]byte{0, 1, 3, 2, 3, 1, 0, 3, 3, 3, 3, 3, 1}), mapOf([]byte{0, 3, 3, 3, 0, 1, 1, 3, 3, 3, 3, 3}))
	want := []rbdio.Extent{{Off: 30, Len: 40}, {Off: 120, Len: 10}}
	if got := b.extents(10); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
