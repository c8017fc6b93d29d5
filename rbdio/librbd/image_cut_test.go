package librbd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// zeros says of any image that nothing is behind its new end.
func zeros() (bool, error) { return true, nil }

// What another client writes between the look and the cut is not cut off, whether the
// lock has come back meanwhile or not.
func TestCutBackLeavesAnothersWrite(t *testing.T) {
	for name, back := range map[string]bool{"gone": false, "back": true} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t)
			q := connect(t, p.cfg.Pool)
			id := create(t, p, "img", 20<<20, "")
			a, b := open(t, p, id), open(t, q, id)
			must(t, a.WriteAt([]byte{1}, 0))
			must(t, a.Flush())
			looks := 0
			cut, err := a.CutBack(20<<20, 1<<20, func() (bool, error) {
				if looks++; looks > 1 {
					return false, nil // it finds the data
				}
				must(t, b.WriteAt([]byte{2}, 10<<20))
				must(t, b.Flush())
				if back {
					must(t, a.WriteAt([]byte{3}, 1))
					must(t, a.Flush())
				}
				return true, nil
			})
			must(t, err)
			if size, err := a.Size(); cut || size != 20<<20 || err != nil {
				t.Errorf("cut: %v; size %d, %v", cut, size, err)
			}
			got := make([]byte, 1)
			_, err = a.ReadAt(got, 10<<20)
			must(t, err)
			if got[0] != 2 {
				t.Error("the other client's write is gone")
			}
		})
	}
}

// A cut image is as long as it should be for all who have it open, and for librbd's own
// commands, and reads as zeros where it grows again.
func TestCutBack(t *testing.T) {
	for name, args := range map[string]string{
		"plain": "", "bare": "--image-feature layering", "locked": "--image-feature exclusive-lock",
		"small objects": "--object-size 64K", "striped": "--object-size 1M --stripe-unit 64K --stripe-count 3",
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			p := newPool(t)
			q := connect(t, p.cfg.Pool)
			id := create(t, p, "img", 0, args)
			a, b := open(t, p, id), open(t, q, id)
			want := bytes.Repeat([]byte("rbdfs"), 1<<20)
			for _, ahead := range []uint64{14 << 20, 100 << 20} {
				must(t, a.Grow(ahead))
				must(t, a.WriteAt(want, 0))
				must(t, a.Flush())
				must(t, a.WriteZeroes(50<<10, 100)) // and anything else that changes no size
				copy(want[50<<10:], make([]byte, 100))
				cut, err := a.CutBack(ahead, uint64(len(want)), zeros)
				must(t, err)
				if !cut {
					t.Fatal("it was not cut")
				}
				waitFor(t, "the other client sees the size", func() bool {
					n, err := b.Size()
					must(t, err)
					return n == uint64(len(want))
				})
				compare(t, a, want)
				compare(t, openRead(t, q, id), want)
				if out := rbdCommand(t, "info", p.cfg.Pool+"/img"); !strings.Contains(out, "size 5 MiB") || strings.Contains(out, "invalid") {
					t.Error(out)
				}
			}
			must(t, a.Grow(9<<20))
			must(t, p.CreateSnapshot(id, "s"))
			want = append(want, make([]byte, 4<<20)...)
			compare(t, a, want)
			must(t, b.WriteAt([]byte{9}, 9<<20-1)) // the lock goes to the other client
			must(t, b.Flush())
			want[9<<20-1] = 9
			compare(t, a, want)
			if strings.Contains(rbdCommand(t, "info", p.cfg.Pool+"/img"), "invalid") {
				t.Error("the object map is invalid")
			}
		})
	}
}

// Objects of zeros behind the end go before the header alone is cut: nothing would ever
// remove them.
func TestCutBackRemovesObjects(t *testing.T) {
	p := newPool(t)
	for i, args := range []string{"", "--image-feature layering"} {
		name := fmt.Sprint("img", i)
		id := create(t, p, name, 20<<20, args)
		a := open(t, p, id)
		must(t, a.WriteAt(make([]byte, 1<<20), 9<<20))
		must(t, a.Flush())
		cut, err := a.CutBack(20<<20, 1<<20, zeros)
		must(t, err)
		if size, err := a.Size(); !cut || size != 1<<20 || err != nil {
			t.Errorf("cut: %v; size %d, %v", cut, size, err)
		}
		must(t, a.s.io.ListObjects(func(oid string) {
			if strings.HasPrefix(oid, "rbd_data."+id) {
				t.Errorf("%s is left", oid)
			}
		}))
	}
}

// An image that is journaled is not cut, since its mirror would not be.
func TestNoCutOfAJournal(t *testing.T) {
	p := newPool(t)
	a := open(t, p, create(t, p, "img", 20<<20, "--image-feature exclusive-lock,journaling"))
	if a.MayGrowAhead() {
		t.Error("it may grow ahead")
	}
}
