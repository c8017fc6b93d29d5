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

// headers counts what is read, by image id; each call takes a while, as a round trip
// does.
type headers struct {
	mu     sync.Mutex
	took   time.Duration
	err    error
	n      map[string]int
	checks int // of names
	size   uint64
}

func newHeaders() *headers { return &headers{took: 10 * time.Millisecond, n: map[string]int{}} }

func (h *headers) read(entries []rbdio.Entry) []rbdio.Answer {
	h.mu.Lock()
	answers := make([]rbdio.Answer, len(entries))
	for i, e := range entries {
		h.n[e.ID]++
		if e.Name != "" {
			h.checks++
		}
		answers[i] = rbdio.Answer{Info: rbdio.Info{ID: e.ID, Size: h.size}, Err: h.err}
	}
	h.mu.Unlock()
	time.Sleep(h.took)
	return answers
}

// checked returns how many names were checked since it was last called.
func (h *headers) checked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.checks
	h.checks = 0
	return n
}

func (h *headers) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *headers) resize(size uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.size = size
}

func (h *headers) total() (total int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.n {
		total += n
	}
	return total
}

// bubble runs a test in a bubble, whose last readings end before it does.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(time.Minute)
	})
}

// entriesOf returns n images.
func entriesOf(n int) (entries []rbdio.Entry) {
	for k := range n {
		entries = append(entries, rbdio.Entry{Name: fmt.Sprintf("vm%05d", k), ID: fmt.Sprint("id", k)})
	}
	return entries
}

// get asks for the i-th image as a handle does.
func get(t *testing.T, l *listing, w *walk, i int, h *headers) (lookedUp, bool) {
	t.Helper()
	found, ok := l.answer(w, i, l.ask(w, i, h.read))
	if ok && found.info.ID != w.entries[i].ID {
		t.Errorf("%s is image %q", w.entries[i].Name, found.info.ID)
	}
	return found, ok
}

// list walks along a new listing as ls -l does, and fails when it gets nothing.
func list(t *testing.T, l *listing, n int, h *headers) {
	t.Helper()
	w := l.listed(l.begin(), entriesOf(n))
	for i := range n {
		if _, ok := get(t, l, w, i, h); !ok {
			t.Fatalf("no answer for image %d", i)
		}
	}
}

// find asks for an image by name, and fails when the answer is another's or old.
func find(t *testing.T, l *listing, h *headers, i int) bool {
	t.Helper()
	found, ok := l.lookup(entriesOf(i + 1)[i].Name, h.read)
	if ok && found.info.ID != fmt.Sprint("id", i) {
		t.Errorf("image %d is %q", i, found.info.ID)
	}
	if age := max(time.Since(found.at), time.Since(found.named)); ok && age >= fresh/2 {
		t.Errorf("image %d: the answer is %v old", i, age)
	}
	return ok
}

func TestListingIsReadAhead(t *testing.T) {
	for name, walk := range map[string]func(*testing.T, *listing, *headers){
		"handle": func(t *testing.T, l *listing, h *headers) { list(t, l, 1000, h) },
		"lookups": func(t *testing.T, l *listing, h *headers) {
			l.listed(l.begin(), entriesOf(1000))
			for i := range 1000 {
				if !find(t, l, h, i) && i > 1 {
					t.Errorf("image %d was not read ahead", i)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var l listing
				h := newHeaders()
				start := time.Now()
				walk(t, &l, h)
				if took := time.Since(start); took > 25*h.took {
					t.Errorf("it took %v: headers were not read together", took)
				}
				if n, names := h.total(), h.checked(); n > 1000 || names > 0 {
					t.Errorf("%d headers and %d names read of 1000 images", n, names)
				}
			})
		})
	}
}

// Who only wants names gets the first page with attributes all the same.
func TestLittleIsReadForNames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		w := l.listed(l.begin(), entriesOf(1000))
		for i := range firstPage {
			get(t, &l, w, i, h)
		}
		if n := h.total(); n > firstAhead {
			t.Errorf("%d headers read", n)
		}
	})
}

// What one listing has read is good for the next, and for no other.
func TestListingRepeated(t *testing.T) {
	const n = 300
	for _, c := range []struct {
		took, pause time.Duration // of each call; behind the first listing
		want        int           // headers read by the second, and by the third
	}{
		{10 * time.Millisecond, fresh / 3, 0},
		{300 * time.Millisecond, fresh / 3, 0}, // it takes seconds
		{10 * time.Millisecond, fresh, n},
		{300 * time.Millisecond, fresh, n},
		{5 * time.Second, fresh / 3, n}, // it takes too long
	} {
		bubble(t, func(t *testing.T) {
			var l listing
			h := newHeaders()
			h.took = c.took
			list(t, &l, n, h)
			begin := h.total()
			time.Sleep(c.pause)
			list(t, &l, n, h)
			if got := h.total() - begin; got != c.want && c.took < time.Second || got < c.want/2 {
				t.Errorf("%v a call, pause of %v: the second listing read %d headers, want %d", c.took, c.pause, got, c.want)
			}
			begin = h.total()
			time.Sleep(c.pause)
			list(t, &l, n, h)
			if got := h.total() - begin; c.want == 0 && got != n {
				t.Errorf("%v a call: the third listing read %d headers", c.took, got)
			}
		})
	}
}

// Only a listing gets what is old.
func TestLookupsBehindAListingAreFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		h.took = fresh / 3
		list(t, &l, 500, h)
		for _, i := range []int{3, 2, 1} {
			if find(t, &l, h, i) {
				t.Errorf("image %d is known from a listing", i)
			}
		}
		time.Sleep(listedFor + time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.answers); n > 0 {
			t.Errorf("%d answers are kept", n)
		}
	})
}

func TestOnlyAWalkInOrderIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		find(t, &l, h, 0) // not listed yet
		l.listed(l.begin(), entriesOf(1000))
		for _, i := range []int{0, 500, 3, 900, 40, 39, 38, 1000} {
			find(t, &l, h, i)
		}
		if n := h.total(); n != 0 {
			t.Errorf("%d headers read", n)
		}
	})
}

// Nothing read before a change through this mount is used after it, whether it is
// there or on its way.
func TestOwnChangesAreNotReadAhead(t *testing.T) {
	for name, change := range map[string]func(*listing){
		"image": func(l *listing) { l.drop("id5") },
		"name":  func(l *listing) { l.forget() },
	} {
		for _, pause := range []time.Duration{0, 50 * time.Millisecond} {
			bubble(t, func(t *testing.T) {
				var l listing
				h := newHeaders()
				w := l.listed(l.begin(), entriesOf(10))
				f := l.ask(w, 0, h.read)
				time.Sleep(pause)
				h.resize(7)
				change(&l)
				_, _ = l.answer(w, 0, f)
				if found, ok := get(t, &l, w, 5, h); ok && found.info.Size != 7 {
					t.Errorf("%s, %v later: the answer is from before the change", name, pause)
				}
			})
		}
	}
}

// The names of a listing are checked once this mount has changed one, and by
// lookups when it is not new any more.
func TestNamesAreChecked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		w := l.listed(l.begin(), entriesOf(100))
		get(t, &l, w, 0, h)
		l.forget()
		get(t, &l, w, 1, h)
		found, ok := get(t, &l, w, 2, h)
		if n := h.checked(); !ok || !found.named.After(w.begun) || n == 0 {
			t.Errorf("%+v, %v, %d names checked", found, ok, n)
		}
		l.listed(l.begin(), entriesOf(100))
		time.Sleep(fresh)
		h.checked()
		for i := range 50 {
			find(t, &l, h, i)
		}
		if n := h.checked(); n < 48 {
			t.Errorf("%d names checked", n)
		}
	})
}

// A listing that began before a change of a name does not know of it.
func TestListingAcrossAChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		of := l.begin()
		l.forget()
		get(t, &l, l.listed(of, entriesOf(1)), 0, h)
		if n := h.checked(); n != 1 {
			t.Errorf("%d names checked", n)
		}
	})
}

func TestFailedReadIsNoAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		h.fail(syscall.EIO)
		w := l.listed(l.begin(), entriesOf(3))
		if _, ok := get(t, &l, w, 0, h); ok {
			t.Error("an error is an answer")
		}
	})
}

// The kernel may believe an old answer for a moment, and who opens the image
// hears until when.
func TestOldAnswersAreRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		list(t, &l, 100, h)
		time.Sleep(fresh - h.took)
		list(t, &l, 100, h)
		if left := time.Until(l.drop("id99")); left != brief {
			t.Errorf("it may be believed for %v", left)
		}
		list(t, &l, 100, h)
		if left := time.Until(l.drop("id99")); left > brief {
			t.Errorf("it may be believed for %v", left)
		}
	})
}

func TestWalksBesideEachOther(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	bubble(t, func(t *testing.T) {
		var l listing
		h := newHeaders()
		var wg sync.WaitGroup
		for n := range 6 {
			draw := rand.New(rand.NewPCG(seed, uint64(n)))
			wg.Go(func() {
				w := l.listed(l.begin(), entriesOf(300))
				for i := range 300 {
					if n%2 == 0 {
						find(t, &l, h, i)
					} else if found, ok := get(t, &l, w, i, h); ok && time.Since(found.at) > listedFor {
						t.Errorf("image %d is %v old", i, time.Since(found.at))
					}
					if draw.IntN(50) == 0 {
						time.Sleep(time.Duration(draw.Int64N(int64(fresh))))
					}
					if draw.IntN(100) == 0 {
						l.drop(fmt.Sprint("id", draw.IntN(300)))
					}
				}
			})
		}
		wg.Wait()
	})
}
