package librbd

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rbdfs/rbdio"
)

// Zeroing a large range is done in parts, and frees the objects on their borders.
func TestWriteZeroesFrees(t *testing.T) {
	p := newPool(t)
	const size = 5 << 30
	img := open(t, p, create(t, p, "img", size, ""))
	data := bytes.Repeat([]byte{7}, 8<<20)
	places := []uint64{0, 1<<30 - 4<<20, 2<<30 - 4<<20, 3<<30 - 6<<20, size - 8<<20}
	for _, off := range places {
		must(t, img.WriteAt(data, off))
	}
	must(t, img.WriteZeroes(100, size-200))
	must(t, img.Flush())
	list, err := img.Extents(0, size)
	must(t, err)
	want := []rbdio.Extent{{Off: 0, Len: 4 << 20}, {Off: size - 4<<20, Len: 4 << 20}}
	if !slices.Equal(list, want) {
		t.Errorf("extents %v, want %v", list, want)
	}
	used := rbdCommand(t, "du", p.cfg.Pool+"/img", "--format", "json")
	if !strings.Contains(used, `"used_size":8388608`) {
		t.Error(used)
	}
	must(t, img.WriteZeroes(0, size))
	must(t, img.Flush())
	if list, err := img.Extents(0, size); len(list) != 0 || err != nil {
		t.Errorf("extents %v, %v", list, err)
	}
}

// A small hole that a discard would ignore is punched, and no more than it.
func TestWriteZeroesExact(t *testing.T) {
	p := newPool(t)
	for _, l := range []string{"", "--object-size 4K", "--object-size 64K --stripe-unit 4K --stripe-count 3"} {
		const size = 1 << 20
		img := open(t, p, create(t, p, fmt.Sprintf("img%d", len(l)), size, l))
		data := bytes.Repeat([]byte{7}, size)
		must(t, img.WriteAt(data, 0))
		for _, r := range [][2]int{
			{100, 100}, {4096, 4096}, {8191, 1}, {20000, 512}, {65536, 65536}, {200001, 131072}, {400000, 3}, {size - 1, 1},
		} {
			must(t, img.WriteZeroes(uint64(r[0]), uint64(r[1])))
			clear(data[r[0] : r[0]+r[1]])
			compare(t, img, data)
		}
		must(t, img.Flush())
		compare(t, openRead(t, p, img.id), data)
	}
}
