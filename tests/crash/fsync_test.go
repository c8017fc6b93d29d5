package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// growthStep is the most that a file grows ahead of its writes, in these tests:
// one step, and the next one's doubling.
const growthStep = 256 << 20

// victim is one file that is written until the daemon is killed.
type victim struct {
	name string
	*content.Content
	synced []byte          // what was there at the last fsync that succeeded
	later  []content.Range // what may have changed since
}

// TestFsyncSurvivesKill kills a daemon at a random moment under many writers that
// grow, overwrite and punch files. Every byte that was fsynced must be
// there after remounting.
func TestFsyncSurvivesKill(t *testing.T) {
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			victims, images := newVictims(t)
			m := env.Start(t, harness.Options{})
			var wg sync.WaitGroup
			for _, v := range victims {
				wg.Go(func() { v.work(m.Path(v.name)) })
			}
			time.Sleep(time.Duration(300+victims[0].Rand.IntN(1500)) * time.Millisecond)
			must(t, m.Kill())
			wg.Wait()
			evict(t, images...)
			m = env.Start(t, harness.Options{})
			for _, v := range victims {
				v.check(t, m)
			}
		})
	}
}

// newVictims makes empty images, with names of their own.
func newVictims(t *testing.T) (victims []*victim, images []string) {
	t.Helper()
	prefix := rand.Uint32()
	for i := range 12 {
		v := &victim{name: fmt.Sprintf("v%d.%d", prefix, i), Content: content.New(t, 0)}
		rbd(t, "create", "--size", "0", spec(v.name))
		victims, images = append(victims, v), append(images, v.name)
	}
	return victims, images
}

// work changes the file until the daemon is gone.
func (v *victim) work(path string) {
	flags := os.O_RDWR
	if v.Rand.IntN(2) == 0 {
		flags |= unix.O_DIRECT
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return // killed before it began
	}
	defer f.Close()
	for {
		for range 1 + v.Rand.IntN(5) {
			if v.change(f) != nil {
				return
			}
		}
		if f.Sync() != nil {
			return
		}
		v.synced, v.later = append(v.synced[:0], v.Bytes...), nil
	}
}

// change makes one random change, mostly behind the end.
func (v *victim) change(f *os.File) error {
	size := len(v.Bytes)
	off, n := size, 1+v.Rand.IntN(200_000)
	if size > 0 && v.Rand.IntN(3) == 0 {
		off = v.Rand.IntN(size)
	}
	if off < size && v.Rand.IntN(3) == 0 {
		v.later = append(v.later, content.Range{Off: int64(off), End: int64(off + n)})
		clear(v.Bytes[off:min(off+n, size)])
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n))
	}
	v.later = append(v.later, content.Range{Off: int64(off), End: int64(off + n)})
	return v.TryWrite(f, off, n)
}

// check compares the file with what was fsynced, but for what changed after.
func (v *victim) check(t *testing.T, m *harness.Mount) {
	t.Helper()
	if v.synced == nil {
		return
	}
	got, err := os.ReadFile(m.Path(v.name))
	must(t, err)
	if len(got) < len(v.synced) || len(got) > len(v.Bytes)+growthStep {
		t.Fatalf("%s has %d bytes, %d were fsynced, %d written", v.name, len(got), len(v.synced), len(v.Bytes))
	}
	want := append(append([]byte(nil), v.synced...), make([]byte, len(got)-len(v.synced))...)
	for _, r := range v.later { // these may hold anything between the two
		copy(want[min(r.Off, int64(len(want))):min(r.End, int64(len(want)))], got[min(r.Off, int64(len(got))):])
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: byte %d is %#x, want %#x; %d were fsynced, %d written", v.name, i, got[i], want[i], len(v.synced), len(v.Bytes))
		}
	}
}
