package rbdio_test

import (
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

// directPool is a pool whose images C code could use; here the gates of a test do.
type directPool struct {
	*memrbd.Pool
	onFlush func() // before an image is flushed, unless nil
}

// directImage is such an image.
type directImage struct {
	rbdio.Image
	pool *directPool
}

// directReadImage is one open for reading.
type directReadImage struct{ rbdio.ReadImage }

func (p *directPool) Open(id string) (rbdio.Image, error) {
	img, err := p.Pool.Open(id)
	if err != nil {
		return nil, err
	}
	return &directImage{img, p}, nil
}

func (p *directPool) OpenReadOnly(id string) (rbdio.ReadImage, error) {
	img, err := p.Pool.OpenReadOnly(id)
	if err != nil {
		return nil, err
	}
	return &directReadImage{img}, nil
}

func (i *directImage) Direct() rbdio.Direct {
	return rbdio.Direct{Calls: unsafe.Pointer(i.pool), Image: unsafe.Pointer(i)}
}

func (i *directImage) Flush() error {
	if i.pool.onFlush != nil {
		i.pool.onFlush()
	}
	return i.Image.Flush()
}

func (i *directReadImage) Direct() rbdio.Direct {
	return rbdio.Direct{Calls: unsafe.Pointer(i), Image: unsafe.Pointer(i)}
}

// testGate is a gate that counts as package loop's does, whose writes go step by step.
type testGate struct {
	t     *testing.T
	step  func() // between any two reads of what is counted, unless nil
	freed int

	mu       sync.Mutex // guards all that follows
	idle     sync.Cond  // nothing is in flight
	open     bool
	img      rbdio.Direct
	period   uint64
	size     uint64
	inFlight int
	passed   rbdio.Passed
	written  rbdio.ExtentSet
}

func newTestGate(t *testing.T) *testGate {
	g := &testGate{t: t}
	g.idle.L = &g.mu
	return g
}

func (g *testGate) Open(img rbdio.Direct, period, size uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight > 0 && img.Image != g.img.Image {
		g.t.Error("a gate is opened to another image while requests are in flight")
	}
	g.open, g.img, g.period, g.size = true, img, period, size
}

func (g *testGate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
}

func (g *testGate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	for g.inFlight > 0 {
		g.idle.Wait()
	}
}

func (g *testGate) Passed() rbdio.Passed {
	g.pause()
	g.mu.Lock()
	p := g.passed
	g.mu.Unlock()
	g.pause()
	g.mu.Lock()
	defer g.mu.Unlock()
	p.Writing, p.At = g.passed.Writing, g.passed.At
	return p
}

func (g *testGate) TakeWritten(each func(fileOff, length uint64)) {
	g.pause()
	g.mu.Lock()
	written := g.written.Extents()
	g.written = rbdio.ExtentSet{}
	g.mu.Unlock()
	for _, e := range written {
		each(e.Off, e.Len)
	}
}

func (g *testGate) Free() {
	if g.open || g.inFlight > 0 {
		g.t.Error("a gate is freed that is not closed")
	}
	g.freed++
}

func (g *testGate) pause() {
	if g.step != nil {
		g.step()
	}
}

// want compares the size that the gate is open to; 0 for one that is shut.
func (g *testGate) want(size uint64) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open != (size > 0):
		g.t.Fatalf("the gate is open: %v", g.open)
	case g.open && g.size != size:
		g.t.Fatalf("the gate is open to %d bytes, want %d", g.size, size)
	}
}

// steps are those of a write, up to its reply, in the order of package loop: gate.c.
// It fails the test if the write may not pass.
func (g *testGate) steps(p []byte, fileOff uint64) []func() {
	count := func(writes, writing int) func() {
		return func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if writes > 0 {
				g.passed.Writes++
				g.passed.At = time.Now()
			}
			g.passed.Writing += uint64(writing)
		}
	}
	return []func(){
		func() {
			g.enter(fileOff, uint64(len(p)))
			count(0, +1)()
		},
		count(1, 0),
		func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			first := fileOff / g.period * g.period
			g.written.Add(first, (fileOff+uint64(len(p))-first+g.period-1)/g.period*g.period)
		},
		func() { must(g.t, (*directImage)(g.img.Image).WriteAt(p, fileOff)) },
		count(1, 0),
		func() {
			count(0, -1)()
			g.leave()
		},
	}
}

func (g *testGate) enter(fileOff, length uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open || fileOff+length > g.size {
		g.t.Errorf("a write of %d bytes at %d may not pass", length, fileOff)
	}
	g.inFlight++
}

func (g *testGate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inFlight--
	g.idle.Broadcast()
}

// begin begins a write; end ends it.
func (g *testGate) begin(p []byte, fileOff uint64) (end func()) {
	steps := g.steps(p, fileOff)
	for _, step := range steps[:3] {
		step()
	}
	return func() {
		for _, step := range steps[3:] {
			step()
		}
	}
}

func (g *testGate) write(p []byte, fileOff uint64) { g.begin(p, fileOff)() }

// gateRig is a rig whose files have gates.
type gateRig struct {
	rig
	pool   *directPool
	gates  []*testGate // in the order in which they were asked for
	closed bool        // the table
}

func gateInBubble(t *testing.T, test func(*gateRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mem := newPool()
		r := &gateRig{rig: rig{t: t, pool: mem}, pool: &directPool{Pool: mem}}
		r.files = newFiles(r.pool, rbdio.FilesOptions{ReadOnly: true, Gate: func(string) rbdio.Gate {
			r.gates = append(r.gates, newTestGate(t))
			return r.gates[len(r.gates)-1]
		}})
		test(r)
		if !r.closed {
			must(t, r.files.Close())
		}
		checkLeaks(t, mem)
		for i, g := range r.gates {
			if g.freed != 1 {
				t.Errorf("gate %d is freed %d times", i, g.freed)
			}
		}
	})
}

// openGate makes an image and opens it for writing, with its gate.
func (r *gateRig) openGate(size uint64) (*rbdio.Handle, *testGate) {
	r.t.Helper()
	f := r.open(r.create("vm1", size), true)
	g := r.gates[0]
	g.want(size)
	return f, g
}

// wantFlushes wants an fsync to flush the image so often.
func (r *gateRig) wantFlushes(f *rbdio.Handle, n int) {
	r.t.Helper()
	before := r.pool.Calls("Flush")
	must(r.t, f.Fsync())
	if got := r.pool.Calls("Flush") - before; got != n {
		r.t.Fatalf("fsync flushes %d times, want %d", got, n)
	}
}

func TestPassedWritesAreFlushed(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		f, g := r.openGate(8000)
		r.wantFlushes(f, 0)
		g.write([]byte("data"), 10)
		r.wantFlushes(f, 1)
		wantDurable(t, r.pool.Pool, f.ID(), 10, "data")
		r.wantFlushes(f, 0)
		end := g.begin([]byte("more"), 20)
		r.wantFlushes(f, 1)
		r.wantFlushes(f, 1) // it may have missed it
		end()
		r.wantFlushes(f, 1)
		r.wantFlushes(f, 0)
		wantDurable(t, r.pool.Pool, f.ID(), 20, "more")
		g.write([]byte("last"), 30)
		r.release(f)
		wantDurable(t, r.pool.Pool, f.ID(), 30, "last")
	})
}

// A write passes in each of its steps anywhere between the steps of an fsync. What
// was answered before is on the OSDs then, and anything with the next fsync;
// SEEK_DATA finds it at once.
func TestWriteBesideAnFsyncInAllOrders(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		const places = 7 // read three times, flush, read three times
		f, g := r.openGate(object)
		n := 0
		orders(places, len(g.steps(nil, 0)), func(order []int) {
			for _, seek := range []bool{false, true} {
				r.fsyncBeside(f, g, order, seek)
				n++
			}
		})
		if n != 2*1716 { // binomial(places + steps, places)
			t.Errorf("%d orders", n)
		}
		r.release(f)
	})
}

// orders calls each with all rising sequences of n numbers from 0 to most.
func orders(n, most int, each func([]int)) {
	order := make([]int, n)
	var fill func(at, least int)
	fill = func(at, least int) {
		if at == n {
			each(order)
			return
		}
		for order[at] = least; order[at] <= most; order[at]++ {
			fill(at+1, order[at])
		}
	}
	fill(0, 0)
}

// fsyncBeside has as many steps of a write done before each step of an fsync as order
// says, and the others after it.
func (r *gateRig) fsyncBeside(f *rbdio.Handle, g *testGate, order []int, seek bool) {
	r.t.Helper()
	must(r.t, f.Zero(0, object))
	must(r.t, f.Fsync())
	r.wantData(f)
	steps, at, done := g.steps([]byte("data"), 0), 0, 0
	upTo := func(n int) {
		for ; done < n; done++ {
			steps[done]()
		}
	}
	g.step = func() {
		if at < len(order) {
			upTo(order[at])
			at++
		}
	}
	r.pool.onFlush = g.step
	must(r.t, f.Fsync())
	g.step, r.pool.onFlush = nil, nil
	if order[0] == len(steps) {
		wantDurable(r.t, r.pool.Pool, f.ID(), 0, "data")
	}
	upTo(len(steps))
	if seek {
		if off, err := f.SeekData(0); err != nil || off != 0 {
			r.t.Errorf("data is found at %d: %v", off, err)
		}
	}
	must(r.t, f.Fsync())
	wantDurable(r.t, r.pool.Pool, f.ID(), 0, "data")
	r.wantFlushes(f, 0)
	r.wantData(f, objects(0, 1))
	if r.t.Failed() {
		r.t.Fatalf("order %v, seek %v", order, seek)
	}
}

func TestSeekDataSeesPassedWrites(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		f, g := r.openGate(100 * object)
		r.wantData(f)
		g.write([]byte{1}, 10*object+5)
		r.wantData(f, objects(10, 1))
		must(t, f.Fsync())
		r.wantData(f, objects(10, 1))
		g.write(filled(2, 1), 21*object-1)
		must(t, f.Fsync())
		r.wantData(f, objects(10, 1), objects(20, 2))
		end := g.begin([]byte{1}, 30*object) // one that takes longer than what is known is good for
		r.wantData(f, objects(10, 1), objects(20, 2), objects(30, 1))
		time.Sleep(time.Hour)
		r.wantData(f, objects(10, 1), objects(20, 2), objects(30, 1))
		end()
		time.Sleep(time.Hour)
		r.wantData(f, objects(10, 1), objects(20, 2), objects(30, 1))
		must(t, f.Zero(10*object, object))
		r.wantData(f, objects(20, 2), objects(30, 1))
		r.release(f)
	})
}

func TestPassedWritesMoveTheTime(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		f, g := r.openGate(8000)
		want := func(want time.Time) {
			t.Helper()
			if got := r.stat(f).Modified; !got.Equal(want) {
				t.Errorf("the time is %v, want %v", got, want)
			}
		}
		time.Sleep(time.Hour)
		g.write([]byte{1}, 0)
		passed := time.Now()
		time.Sleep(time.Hour)
		want(passed)
		must(t, f.Flush())
		r.wantModified(f.ID(), passed)

		g.write([]byte{1}, 0)
		time.Sleep(time.Hour)
		must(t, f.WriteAt([]byte{1}, 0)) // by way of the file, later
		written := time.Now()
		time.Sleep(time.Hour)
		want(written)

		g.write([]byte{1}, 0)
		for _, set := range []time.Time{time.Unix(1, 0), time.Now().Add(1000 * time.Hour)} {
			time.Sleep(time.Hour)
			must(t, f.SetAttr(rbdio.Attr{Modified: &set}))
			want(set)
			must(t, f.Flush())
			want(set)
			r.wantModified(f.ID(), set)
		}
		time.Sleep(time.Hour)
		g.write([]byte{1}, 0)
		last := time.Now()
		want(last)
		r.release(f)
		r.wantModified(f.ID(), last)
	})
}

// What needs to have all requests in its hands closes the gate, waits for what is in
// flight, and opens it again to what the file is then.
func TestGateCloses(t *testing.T) {
	const size = 8000
	for name, tc := range map[string]struct {
		do   func(*gateRig, *rbdio.Handle) error
		open uint64 // to so many bytes afterwards
	}{
		"truncate": {func(_ *gateRig, f *rbdio.Handle) error { return f.Truncate(5000) }, 5000},
		"enlarge":  {func(_ *gateRig, f *rbdio.Handle) error { return f.Truncate(90000) }, 90000},
		"settle":   {func(_ *gateRig, f *rbdio.Handle) error { return f.Settle() }, size + 1},
		"snapshot": {func(r *gateRig, f *rbdio.Handle) error { return r.snap(f, "s") }, size + 1},
		"close": {func(r *gateRig, _ *rbdio.Handle) error {
			r.closed = true
			return r.files.Close()
		}, 0},
		"lower": {func(_ *gateRig, f *rbdio.Handle) error { return f.Release() }, size + 1},
	} {
		t.Run(name, func(t *testing.T) {
			gateInBubble(t, func(r *gateRig) {
				f, g := r.openGate(size)
				reader := r.open(f.ID(), false)
				must(r.t, f.WriteAt([]byte{1}, size)) // the image grows ahead
				end := g.begin([]byte("data"), 10)
				done := make(chan error, 1)
				go func() { done <- tc.do(r, f) }()
				synctest.Wait()
				if len(done) > 0 {
					r.t.Fatal("a write in flight was not waited for")
				}
				g.want(0)
				end()
				must(r.t, <-done)
				g.want(tc.open)
				wantDurable(r.t, r.pool.Pool, f.ID(), 10, map[bool]string{true: "data", false: "\x00\x00\x00\x00"}[name != "truncate" && name != "enlarge" && name != "settle"])
				if tc.open > 0 {
					wantBytes(r.t, reader, 10, []byte("data"))
				}
				r.release(f)
				r.release(reader)
				g.want(0)
				wantDurable(r.t, r.pool.Pool, f.ID(), 10, "data")
			})
		})
	}
}

// The gate is opened to the size of the file, and not to what the image grew ahead.
func TestGateFollowsTheSize(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		f, g := r.openGate(8000)
		must(t, f.WriteAt(filled(100, 1), 8000))
		g.want(8000) // until it is settled
		must(t, f.Fsync())
		g.want(8100)
		must(t, f.Extend(9000))
		must(t, f.Settle())
		g.want(9000)
		must(t, r.pool.Foreign().Resize(f.ID(), 4000))
		r.stat(f)
		g.want(4000)
		must(t, r.pool.Foreign().Resize(f.ID(), 6000))
		r.stat(f)
		g.want(6000)
		r.release(f)
	})
}

// An image that is exchanged for one of the other mode is not used any more.
func TestGateChangesTheImage(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		reader := r.open(r.create("vm1", 8000), false)
		g := r.gates[0]
		g.want(8000)
		reading := g.img
		f := r.open(reader.ID(), true)
		g.want(8000)
		if g.img == reading {
			t.Error("the gate is open to the image that was exchanged")
		}
		g.write([]byte("data"), 0)
		r.pool.Fail("Flush", 1, syscall.EIO)
		wantErrno(t, f.Release(), syscall.EIO)
		g.want(8000) // it stays open for writing
		g.write([]byte("more"), 10)
		wantErrno(t, reader.Release(), syscall.EIO) // nobody was told of the first error
		wantDurable(t, r.pool.Pool, f.ID(), 0, "data")
		wantDurable(t, r.pool.Pool, f.ID(), 10, "more")
		if len(r.gates) != 1 {
			t.Errorf("there were %d gates", len(r.gates))
		}
	})
}

func TestGateIsShutWhenFenced(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		f, g := r.openGate(8000)
		r.pool.Crash()
		_, err := f.ReadAt(make([]byte, 1), 0)
		wantErrno(t, err, rbdio.Fenced)
		g.want(0)
		fresh := r.open(f.ID(), true) // with a gate of its own
		if len(r.gates) != 2 {
			t.Fatalf("there were %d gates", len(r.gates))
		}
		r.gates[1].want(8000)
		_ = f.Fsync()
		_, _ = f.Stat()
		g.want(0)
		_ = f.Release()
		r.gates[1].want(8000)
		r.release(fresh)
	})
}

func TestGateOfAnImageThatCannotBeOpened(t *testing.T) {
	gateInBubble(t, func(r *gateRig) {
		r.pool.Fail("Open", 1, syscall.EACCES)
		_, err := r.files.Open(r.create("vm1", 8000), true)
		wantErrno(t, err, syscall.EACCES)
		r.gates[0].want(0)
	})
}
