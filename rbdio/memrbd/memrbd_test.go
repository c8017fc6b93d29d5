package memrbd

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

const object = 4096

// must ends the test on an error.
func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErrno ends the test unless err is errno.
func wantErrno(t rapid.TB, err error, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) {
		t.Fatalf("error is %v, want %v", err, errno)
	}
}

// open makes an image of a size and opens it for writing.
func open(t rapid.TB, pool *Pool, name string, size uint64) (id string, img rbdio.Image) {
	t.Helper()
	id, err := pool.Foreign().Create(name, size)
	must(t, err)
	img, err = pool.Open(id)
	must(t, err)
	return id, img
}

// wantBytes reads as many bytes at fileOff and compares.
func wantBytes(t rapid.TB, img rbdio.ReadImage, fileOff uint64, want string) {
	t.Helper()
	got := bytes.Repeat([]byte{0xAA}, len(want))
	n, err := img.ReadAt(got, fileOff)
	must(t, err)
	if string(got[:n]) != want {
		t.Fatalf("%d bytes at %d are %q, want %q", n, fileOff, got[:n], want)
	}
}

func wantExtents(t rapid.TB, img rbdio.ReadImage, fileOff, length uint64, want ...rbdio.Extent) {
	t.Helper()
	got, err := img.Extents(fileOff, length)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("Extents(%d, %d) = %v, want %v", fileOff, length, got, want)
	}
}

func TestWriteIsLostInACrashUntilFlushed(t *testing.T) {
	pool := New(Options{ObjectSize: object, WriteBack: true})
	id, img := open(t, pool, "vm1", 4*object)
	must(t, img.WriteAt([]byte("kept"), object-2))
	must(t, img.Flush())
	must(t, img.WriteAt([]byte("lost"), 3*object))
	must(t, img.Resize(5*object))
	wantBytes(t, img, 3*object, "lost")
	wantExtents(t, img, 0, 5*object, rbdio.Extent{Off: 0, Len: 2 * object})

	other, err := pool.OpenReadOnly(id)
	must(t, err)
	wantBytes(t, other, 3*object, "\x00\x00\x00\x00") // the cache is the writer's
	pool.Crash()
	_, err = img.ReadAt(make([]byte, 1), 0)
	if !rbdio.IsFenced(err) {
		t.Fatalf("read after the crash: %v", err)
	}
	if err := img.Close(); !rbdio.IsFenced(err) {
		t.Fatalf("close after the crash: %v", err)
	}
	if r, w := pool.OpenCounts(); r != 0 || w != 0 {
		t.Fatalf("OpenCounts() = %d, %d after the crash", r, w)
	}

	again, err := pool.OpenReadOnly(id)
	must(t, err)
	wantBytes(t, again, object-2, "kept")
	wantBytes(t, again, 3*object, "\x00\x00\x00\x00")
	if size, err := again.Size(); size != 5*object || err != nil {
		t.Fatalf("Size() = %d, %v", size, err)
	}
}

func TestCloseFlushesUnlessItFails(t *testing.T) {
	pool := New(Options{ObjectSize: object, WriteBack: true})
	id, img := open(t, pool, "vm1", object)
	must(t, img.WriteAt([]byte("one"), 0))
	must(t, img.Close())

	img, err := pool.Open(id)
	must(t, err)
	must(t, img.WriteAt([]byte("two"), 0))
	pool.Fail("Close", 1, syscall.EIO)
	wantErrno(t, img.Close(), syscall.EIO)
	must(t, pool.Foreign().Resize(id, 2*object))

	reader, err := pool.OpenReadOnly(id)
	must(t, err)
	wantBytes(t, reader, 0, "one")
	if r, w := pool.OpenCounts(); r != 1 || w != 0 {
		t.Fatalf("OpenCounts() = %d, %d, want 1, 0", r, w)
	}
	if _, ok := reader.(rbdio.Image); ok {
		t.Fatal("an image open for reading can be written to")
	}
	wantErrno(t, pool.Close(), syscall.EBUSY)
	must(t, reader.Close())
	must(t, pool.Close())
}

func TestObjectsAreCountedAndFreedWhole(t *testing.T) {
	pool := New(Options{ObjectSize: object})
	id, img := open(t, pool, "vm1", 3*object+100)
	allocated := func(want int64) {
		t.Helper()
		if info, err := pool.Stat(id); err != nil || info.Allocated != want {
			t.Fatalf("Allocated = %d, %v, want %d", info.Allocated, err, want)
		}
	}
	must(t, img.WriteAt(bytes.Repeat([]byte("x"), 3*object+100), 0))
	allocated(3*object + 100)
	must(t, img.WriteZeroes(1, 2*object)) // one whole object and parts of two
	allocated(3 * object)                 // of 12388 bytes: three objects
	wantBytes(t, img, 0, "x\x00")
	wantBytes(t, img, 2*object, "\x00x")
	wantExtents(t, img, 0, 4*object, rbdio.Extent{Off: 0, Len: object}, rbdio.Extent{Off: 2 * object, Len: object + 100})
	wantExtents(t, img, 10, 10, rbdio.Extent{Off: 10, Len: 10})

	must(t, img.Resize(2*object+10))
	must(t, img.Resize(4*object))
	wantBytes(t, img, 2*object+8, "xx\x00\x00")
	allocated(2 * object)
	must(t, img.Resize(2*object)) // between two objects
	must(t, img.Resize(4*object))
	allocated(object)
	must(t, pool.Foreign().SetObjectMapInvalid(id, true))
	allocated(rbdio.Unknown)
	wantExtents(t, img, 0, 9*object, rbdio.Extent{Off: 0, Len: 4 * object})
	if usage, err := pool.Usage(); err != nil || usage.Stored != object || usage.Images != 1 {
		t.Fatalf("Usage() = %+v, %v", usage, err)
	}
}

func TestRangesEndWithTheImage(t *testing.T) {
	_, img := open(t, New(Options{ObjectSize: object}), "vm1", 10)
	for off, want := range map[uint64]int{0: 10, 4: 6, 10: 0, 11: 0, 1 << 63: 0} {
		if n, err := img.ReadAt(make([]byte, 20), off); n != want || err != nil {
			t.Errorf("ReadAt(20 bytes, %d) = %d, %v, want %d", off, n, err, want)
		}
	}
	wantErrno(t, img.WriteAt([]byte("xy"), 9), syscall.EINVAL)
	wantErrno(t, img.WriteZeroes(11, 0), syscall.EINVAL)
	wantErrno(t, img.WriteZeroes(5, 1<<64-1), syscall.EINVAL)
	wantErrno(t, img.Resize(1<<63), syscall.EFBIG)
}

func TestForeignResizeReachesEveryCache(t *testing.T) {
	pool := New(Options{ObjectSize: object, WriteBack: true})
	id, img := open(t, pool, "vm1", 2*object)
	must(t, img.WriteAt([]byte("abcd"), 10))
	must(t, pool.Foreign().Resize(id, 12))
	must(t, pool.Foreign().Resize(id, object))
	wantBytes(t, img, 10, "ab\x00\x00")
	must(t, img.Flush())
	wantBytes(t, img, 10, "ab\x00\x00")
}

func TestScriptedFailuresAreCountedDown(t *testing.T) {
	pool := New(Options{})
	pool.Fail("Lookup", 2, syscall.EIO)
	for _, want := range []syscall.Errno{syscall.EIO, syscall.EIO, syscall.ENOENT} {
		_, err := pool.Lookup("vm1")
		wantErrno(t, err, want)
	}
	pool.Fail("Lookup", -1, syscall.EPERM)
	for range 3 {
		_, err := pool.Lookup("vm1")
		wantErrno(t, err, syscall.EPERM)
	}
	pool.Fail("Lookup", 0, 0)
	_, err := pool.Lookup("vm1")
	wantErrno(t, err, syscall.ENOENT)
	if n := pool.Calls("Lookup"); n != 7 {
		t.Fatalf("Calls = %d, want 7", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a misspelt call did not panic")
		}
	}()
	pool.Fail("LookUp", 1, syscall.EIO)
}

func TestBlockedCallsWaitWithoutEffect(t *testing.T) {
	pool := New(Options{ObjectSize: object})
	_, img := open(t, pool, "vm1", object)
	release := pool.Block("WriteAt")
	var calls sync.WaitGroup
	for i := range 3 {
		calls.Go(func() {
			if err := img.WriteAt([]byte("x"), uint64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	pool.Await("WriteAt", 3)
	wantBytes(t, img, 0, "\x00\x00\x00")
	release()
	release()
	calls.Wait()
	wantBytes(t, img, 0, "xxx")
	must(t, img.WriteAt([]byte("y"), 0))

	pool.Delay("Flush", 20*time.Millisecond)
	start := time.Now()
	must(t, img.Flush())
	if d := time.Since(start); d < 20*time.Millisecond {
		t.Fatalf("a delayed call took %v", d)
	}
}

func TestTrashGoesBothWays(t *testing.T) {
	pool := New(Options{})
	id, img := open(t, pool, "vm1", 10)
	must(t, pool.Foreign().SetSnapshots(id, 1))
	_, err := pool.Remove("vm1", time.Time{})
	wantErrno(t, err, syscall.ENOTEMPTY)
	must(t, pool.Foreign().SetSnapshots(id, 0))
	release, err := pool.Foreign().Watch(id)
	must(t, err)
	_, err = pool.Remove("vm1", time.Time{})
	wantErrno(t, err, syscall.EBUSY)
	if d, err := pool.Describe(id); err != nil || len(d.Watchers) != 2 {
		t.Fatalf("Describe() = %+v, %v, want two watchers", d, err)
	}
	release()
	removed, err := pool.Remove("vm1", time.Unix(100, 0))
	must(t, err)
	if trash, err := pool.ListTrash(); err != nil || removed != id || len(trash) != 1 ||
		trash[0].ID != id || trash[0].Name != "vm1" {
		t.Fatalf("ListTrash() = %+v, %v", trash, err)
	}
	entries, _ := pool.ListTrash()
	wantClaim(t, pool, entries[0], rbdio.ClaimOurs)
	must(t, pool.Foreign().SetSnapshots(id, 1))
	wantErrno(t, pool.Expire(entries[0]), syscall.ENOTEMPTY)
	must(t, pool.Foreign().SetSnapshots(id, 0))
	must(t, pool.Expire(entries[0]))
	wantClaim(t, pool, entries[0], rbdio.ClaimNow)
	must(t, img.WriteAt([]byte("x"), 0)) // open files go on
	wantErrno(t, pool.Purge(id, &rbdio.Progress{}), syscall.EBUSY)

	_, err = pool.Create("vm1")
	must(t, err)
	wantErrno(t, pool.Restore(id, "vm1"), syscall.EEXIST)
	must(t, pool.Restore(id, "vm2"))
	if list, err := pool.List(); err != nil || len(list) != 2 || list[1] != (rbdio.Entry{Name: "vm2", ID: id}) {
		t.Fatalf("List() = %v, %v", list, err)
	}
	must(t, img.Close())
	_, err = pool.Foreign().Remove("vm2", time.Time{})
	must(t, err)
	entries, err = pool.ListTrash()
	must(t, err)
	wantClaim(t, pool, entries[0], rbdio.ClaimNone)
	entries[0].Removed = time.Unix(1, 0)
	wantErrno(t, pool.Expire(entries[0]), syscall.ENOENT)
	must(t, pool.Purge(id, &rbdio.Progress{}))
	wantErrno(t, pool.Purge(id, &rbdio.Progress{}), syscall.ENOENT)
	_, err = pool.Stat(id)
	wantErrno(t, err, syscall.ENOENT)
}

func wantClaim(t *testing.T, pool *Pool, e rbdio.TrashEntry, want rbdio.Claim) {
	t.Helper()
	if claim, err := pool.Claim(e); err != nil || claim != want {
		t.Errorf("the claim on %+v is %d, %v, want %d", e, claim, err, want)
	}
}

func TestDeletedImageStaysCountedWhileOpen(t *testing.T) {
	pool := New(Options{})
	id, img := open(t, pool, "vm1", 10)
	wantErrno(t, pool.Foreign().Delete("vm1"), syscall.EBUSY)
	must(t, img.Close())
	reader, err := pool.OpenReadOnly(id)
	must(t, err)
	must(t, pool.Foreign().Delete("vm1"))
	if r, w := pool.OpenCounts(); r != 1 || w != 0 {
		t.Fatalf("OpenCounts() = %d, %d, want 1, 0", r, w)
	}
	must(t, reader.Close())
}

func TestHeaders(t *testing.T) {
	now := time.Unix(1000, 0)
	pool := New(Options{Now: func() time.Time { return now }})
	id, img := open(t, pool, "vm1", 10)
	mode := uint32(0o640)
	must(t, pool.SetAttr(id, rbdio.Attr{Mode: &mode}))
	mode = 0
	uid := uint32(7)
	must(t, pool.SetAttr(id, rbdio.Attr{UID: &uid}))
	info, err := pool.Stat(id)
	must(t, err)
	if *info.Attr.Mode != 0o640 || *info.Attr.UID != 7 || info.Attr.GID != nil {
		t.Fatalf("Attr = %+v", info.Attr)
	}

	now = now.Add(59 * time.Second)
	must(t, img.WriteAt([]byte("x"), 0))
	if info, _ = pool.Stat(id); !info.Modified.Equal(time.Unix(1000, 0)) {
		t.Fatalf("Modified = %v, moved before its time", info.Modified)
	}
	now = now.Add(time.Second)
	must(t, img.WriteAt([]byte("x"), 0))
	if info, _ = pool.Stat(id); !info.Modified.Equal(now) || !info.Accessed.Equal(time.Unix(1000, 0)) {
		t.Fatalf("Modified = %v, Accessed = %v", info.Modified, info.Accessed)
	}
	then := time.Unix(5, 6)
	must(t, pool.SetAttr(id, rbdio.Attr{Modified: &then}))
	if info, _ = pool.Stat(id); !info.Modified.Equal(then) || info.Attr.Modified != nil {
		t.Fatalf("Stat() = %+v", info)
	}

	must(t, pool.SetMetadata(id, "k", "v"))
	if meta, err := pool.Metadata(id); err != nil || meta["k"] != "v" {
		t.Fatalf("Metadata() = %v, %v", meta, err)
	}
	must(t, pool.RemoveMetadata(id, "k"))
	wantErrno(t, pool.RemoveMetadata(id, "k"), syscall.ENOENT)
}

func TestNamesAreUnique(t *testing.T) {
	pool := New(Options{})
	id, err := pool.Create("a")
	must(t, err)
	_, err = pool.Create("a")
	wantErrno(t, err, syscall.EEXIST)
	_, err = pool.Create("")
	wantErrno(t, err, syscall.EINVAL)
	_, err = pool.Create("b")
	must(t, err)
	wantErrno(t, pool.Rename("a", "b"), syscall.EEXIST)
	wantErrno(t, pool.Rename("c", "d"), syscall.ENOENT)
	must(t, pool.Rename("a", "c"))
	if got, err := pool.Lookup("c"); got != id || err != nil {
		t.Fatalf("Lookup() = %q, %v, want %q", got, err, id)
	}
	_, err = pool.Lookup("a")
	wantErrno(t, err, syscall.ENOENT)
}

func TestUseAfterClosePanics(t *testing.T) {
	_, img := open(t, New(Options{}), "vm1", 10)
	must(t, img.Close())
	for name, call := range map[string]func(){
		"Flush": func() { _ = img.Flush() },
		"Close": func() { _ = img.Close() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s on a closed image did not panic", name)
				}
			}()
			call()
		}()
	}
}

// imageModel compares an image, and what a crash leaves of it, with two plain
// arrays. Its methods but in and Check are what rapid does to both.
type imageModel struct {
	pool            *Pool
	id              string
	img             rbdio.Image
	size            uint64
	cached, durable [modelMax]byte
	since           [modelMax][]byte // values that were written and not flushed
}

const (
	modelObject = 16
	modelMax    = 100
)

func TestImageIsItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := imageModel{pool: New(Options{ObjectSize: modelObject, WriteBack: true}), size: 50}
		m.id, m.img = open(t, m.pool, "vm1", m.size)
		t.Repeat(rapid.StateMachineActions(&m))
	})
}

// in draws a range inside the image.
func (m *imageModel) in(t *rapid.T) (off, n uint64) {
	off = rapid.Uint64Range(0, m.size).Draw(t, "off")
	return off, rapid.Uint64Range(0, m.size-off).Draw(t, "n")
}

func (m *imageModel) Write(t *rapid.T) {
	off, n := m.in(t)
	p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, int(n))
	must(t, m.img.WriteAt(p, off))
	copy(m.cached[off:], p)
	for i := range p {
		m.since[off+uint64(i)] = append(m.since[off+uint64(i)], p[i])
	}
}

func (m *imageModel) Zero(t *rapid.T) {
	off, n := m.in(t)
	must(t, m.img.WriteZeroes(off, n))
	clear(m.cached[off : off+n])
	clear(m.durable[off : off+n])
	clear(m.since[off : off+n])
}

func (m *imageModel) Resize(t *rapid.T) {
	m.size = rapid.Uint64Range(0, modelMax).Draw(t, "size")
	must(t, m.img.Resize(m.size))
	clear(m.cached[m.size:])
	clear(m.durable[m.size:])
	clear(m.since[m.size:])
}

func (m *imageModel) Flush(t *rapid.T) {
	must(t, m.img.Flush())
	m.durable = m.cached
	clear(m.since[:])
}

func (m *imageModel) Crash(t *rapid.T) {
	m.pool.Crash()
	var err error
	m.img, err = m.pool.Open(m.id)
	must(t, err)
	m.cached = m.durable
	clear(m.since[:])
}

// CrashAtRandom leaves each byte as it was at the last flush, or as any write since
// would have it.
func (m *imageModel) CrashAtRandom(t *rapid.T) {
	m.pool.CrashAtRandom(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
	var err error
	m.img, err = m.pool.Open(m.id)
	must(t, err)
	was := m.durable
	_, err = m.img.ReadAt(m.durable[:m.size], 0)
	must(t, err)
	for i, b := range m.durable {
		if b != was[i] && !slices.Contains(m.since[i], b) {
			t.Fatalf("byte %d is %#x, was %#x, and %#x were written since", i, b, was[i], m.since[i])
		}
	}
	m.cached = m.durable
	clear(m.since[:])
}

// Check runs after each of the others.
func (m *imageModel) Check(t *rapid.T) {
	wantBytes(t, m.img, 0, string(m.cached[:m.size]))
	other, err := m.pool.OpenReadOnly(m.id)
	must(t, err)
	wantBytes(t, other, 0, string(m.durable[:m.size]))
	extents, err := other.Extents(0, m.size)
	must(t, err)
	must(t, other.Close())
	for _, e := range extents {
		if e.Off%modelObject != 0 || e.End()%modelObject != 0 && e.End() != m.size {
			t.Fatalf("extent %v is no whole object", e)
		}
	}
	wantHolesZero(t, m.durable[:m.size], extents)
}

// wantHolesZero fails when a byte outside the extents is not zero.
func wantHolesZero(t rapid.TB, data []byte, extents []rbdio.Extent) {
	t.Helper()
	var set rbdio.ExtentSet
	for _, e := range extents {
		set.Add(e.Off, e.Len)
	}
	for i, b := range data {
		if b != 0 && !set.Covers(uint64(i), 1) {
			t.Fatalf("byte %d is %#x, in a hole of %v", i, b, extents)
		}
	}
}
