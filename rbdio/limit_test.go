package rbdio

import (
	"fmt"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a pool whose calls block until it is opened, and which knows the most
// that ran at once.
type gate struct {
	Pool  // nil: a method that is not replaced below panics
	Image // the same

	open chan struct{}

	mu        sync.Mutex // guards the rest
	now, most int
}

func (g *gate) pass() {
	g.mu.Lock()
	g.now++
	g.most = max(g.most, g.now)
	g.mu.Unlock()
	<-g.open
	g.mu.Lock()
	g.now--
	g.mu.Unlock()
}

// Named by both embedded interfaces.
func (g *gate) Close() error { return nil }

func (g *gate) Stat(string) (Info, error)          { g.pass(); return Info{}, nil }
func (g *gate) Lookup(string) (string, error)      { g.pass(); return "", syscall.ENOENT }
func (g *gate) Open(string) (Image, error)         { return g, nil }
func (g *gate) ReadAt([]byte, uint64) (int, error) { g.pass(); return 0, nil }
func (g *gate) WriteAt([]byte, uint64) error       { g.pass(); return nil }

func TestLimitBoundsEachKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		pool := Limit(g, 2, 3)
		var images [10]Image
		for i := range images { // before all turns are taken
			var err error
			if images[i], err = pool.Open(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for i, img := range images {
			wg.Go(func() { _, _ = pool.Stat(fmt.Sprint(i)) })
			wg.Go(func() { _, _ = pool.Lookup(fmt.Sprint("name ", i)) })
			wg.Go(func() { _, _ = img.ReadAt(nil, 0) })
			wg.Go(func() { _ = img.WriteAt(nil, 0) })
		}
		synctest.Wait()
		if g.now != 5 {
			t.Errorf("%d calls under way, want 2 of data and 3 of metadata", g.now)
		}
		close(g.open)
		wg.Wait()
		if g.now != 0 || g.most != 5 {
			t.Errorf("%d calls under way in the end and %d at most", g.now, g.most)
		}
	})
}

// However many calls of one image wait for its OSDs, another image has a turn.
func TestLimitLeavesTurnsToOtherImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8
		turns := newSharedTurns(limit)
		var wg sync.WaitGroup
		end := make(chan struct{})
		for range 10 * limit {
			wg.Go(func() {
				defer turns.take("stuck")()
				<-end
			})
		}
		synctest.Wait()
		if turns.used != limit/2 {
			t.Errorf("one image has %d turns of %d", turns.used, limit)
		}
		for range 100 { // one after the other, as the next ones that come
			turns.take("quiet")()
		}
		done := []func(){turns.take("quiet"), turns.take("quiet"), turns.take("other")}
		for _, d := range done {
			d()
		}
		close(end)
		wg.Wait()
		if turns.used != 0 || len(turns.by) != 0 {
			t.Errorf("in the end %d turns are used, by %v", turns.used, turns.by)
		}
	})
}

// A turn is given back by a call that fails, and by one that panics.
func TestLimitGivesTurnsBack(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	pool := Limit(g, 0, 0)
	for range 3 {
		if _, err := pool.Lookup("name"); err != syscall.ENOENT {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = pool.Restore("id", "name") // nil
		}()
	}
	done := make(chan struct{})
	go func() { _, _ = pool.Stat("id"); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("no turn is left")
	}
}

// Every method waits for its turn but for those that need none. Embedding would
// let a method that is new in an interface pass.
func TestLimitCoversTheInterfaces(t *testing.T) {
	free := map[string]bool{"Key": true, "Close": true, "Layout": true, "Flatten": true, "Purge": true, "Direct": true, "MayGrowAhead": true, "Lost": true}
	full := newSharedTurns(1) // never a turn
	full.take("another")
	read := limitedReadImage{data: full, metadata: full}
	values := []any{&limitedPool{data: full, metadata: full}, &read, &limitedSnapshotImage{limitedReadImage: read}, &limitedImage{limitedReadImage: read}}
	for _, v := range values {
		typ := reflect.TypeOf(v)
		for i := range typ.NumMethod() {
			if got := returns(reflect.ValueOf(v).Method(i)); got != free[typ.Method(i).Name] {
				t.Errorf("%v.%s: passes without a turn: %v", typ, typ.Method(i).Name, got)
			}
		}
	}
}

// returns tells whether a call ends, be it by a panic, for the nil interface
// behind the decorator. The goroutine of one that does not is left behind.
func returns(method reflect.Value) bool {
	args := make([]reflect.Value, method.Type().NumIn())
	for i := range args {
		args[i] = reflect.Zero(method.Type().In(i))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		method.Call(args)
	}()
	select {
	case <-done:
		return true
	case <-time.After(20 * time.Millisecond):
		return false
	}
}
