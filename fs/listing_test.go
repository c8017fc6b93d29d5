package fs

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rbdfs/rbdio"
)

// finder counts lookups by name; each takes a while, as a round trip does.
type finder struct {
	mu   sync.Mutex
	took time.Duration
	err  error
	n    map[string]int
}

func newFinder() *finder { return &finder{took: 10 * time.Millisecond, n: map[string]int{}} }

func (f *finder) find(image string) lookedUp {
	at := time.Now()
	f.mu.Lock()
	f.n[image]++
	f.mu.Unlock()
	time.Sleep(f.took)
	return lookedUp{info: rbdio.Info{ID: image}, at: at, err: f.err}
}

func (f *finder) total() (total int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.n {
		total += n
	}
	return total
}

// newListing returns a listing of n images.
func newListing(n int) (*listing, []string) {
	var entries []rbdio.Entry
	var names []string
	for k := range n {
		names = append(names, fmt.Sprintf("vm%05d", k))
		entries = append(entries, rbdio.Entry{Name: names[k], ID: names[k]})
	}
	l := &listing{}
	l.listed(entries)
	return l, names
}

// ask looks an image up, and fails when the answer is another's or old.
func ask(t *testing.T, l *listing, f *finder, image string) {
	t.Helper()
	got := l.lookup(image, f.find)
	if got.info.ID != image || got.err != nil {
		t.Errorf("%s is image %q, %v", image, got.info.ID, got.err)
	}
	if age := time.Since(got.at); age >= fresh/2+f.took {
		t.Errorf("%s: the answer is %v old", image, age)
	}
}

func TestWalkIsLookedUpAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(1000)
		f := newFinder()
		start := time.Now()
		for _, name := range names {
			ask(t, l, f, name)
		}
		if took := time.Since(start); took > 25*f.took {
			t.Errorf("the walk took %v: lookups were not made together", took)
		}
		if n := f.total(); n != 1000 {
			t.Errorf("%d lookups of 1000 images", n)
		}
	})
}

func TestEachFetchIsHandedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(10)
		f := newFinder()
		for range 2 {
			ask(t, l, f, names[0])
			ask(t, l, f, names[1])
			ask(t, l, f, names[5])
		}
		time.Sleep(f.took)
		if f.n[names[5]] != 2 {
			t.Errorf("two questions were answered by %d lookups", f.n[names[5]])
		}
	})
}

func TestStaleFetchIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(10)
		f := newFinder()
		ask(t, l, f, names[0])
		ask(t, l, f, names[1])
		time.Sleep(fresh)
		ask(t, l, f, names[2]) // compares the age
		if f.n[names[2]] != 2 {
			t.Errorf("%d lookups, want another after the stale one", f.n[names[2]])
		}
		time.Sleep(f.took)
	})
}

func TestFailedFetchIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(3)
		f := newFinder()
		f.err = syscall.EIO
		_ = l.lookup(names[0], f.find)
		_ = l.lookup(names[1], f.find)
		time.Sleep(f.took)
		synctest.Wait()
		f.err = nil
		ask(t, l, f, names[2])
	})
}

func TestOnlyAWalkInOrderIsLookedUpAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(1000)
		f := newFinder()
		ask(t, l, f, names[0])
		for _, k := range []int{500, 3, 900, 40, 39, 38} {
			ask(t, l, f, names[k])
		}
		ask(t, l, f, "not listed")
		time.Sleep(f.took)
		if n := f.total(); n != 8 {
			t.Errorf("%d lookups for 8 questions", n)
		}
		var unlisted listing
		ask(t, &unlisted, f, names[0])
	})
}

func TestWalksBesideEachOther(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		l, names := newListing(300)
		f := newFinder()
		var wg sync.WaitGroup
		for w := range 4 {
			pause := rand.New(rand.NewPCG(seed, uint64(w)))
			wg.Go(func() {
				for k, name := range names {
					ask(t, l, f, name)
					if k%50 == 0 {
						time.Sleep(time.Duration(pause.Int64N(int64(fresh))))
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(f.took)
		// Four walkers ask 1200 times; what was fetched for nobody is bounded.
		if n := f.total(); n > 2*4*300 {
			t.Errorf("%d lookups", n)
		}
	})
}
