package rbdio_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
	"rbdfs/rbdio/memrbd"
)

const (
	modelObject = 64
	modelMax    = 20 * modelObject
)

// fileModel is a File beside the bytes that it must have.
type fileModel struct {
	pool  *memrbd.Pool
	files *rbdio.Files
	f     *rbdio.Handle
	data  []byte
	read  *rbdio.Handle // a reader has it open too, or nil

	// after is what each byte may be after a crash: what it was at the last fsync, or
	// what it was made since.
	after [modelMax][]byte
}

func TestFileIsItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := fileModel{pool: memrbd.New(memrbd.Options{ObjectSize: modelObject, WriteBack: true})}
		m.files = newFiles(m.pool, rbdio.FilesOptions{ReadOnly: true})
		id, err := m.pool.Create("vm1")
		must(t, err)
		m.f, err = m.files.Open(id, true)
		must(t, err)
		t.Repeat(rapid.StateMachineActions(&m))
		must(t, m.f.Release())
		if m.read != nil {
			must(t, m.read.Release())
		}
		must(t, m.files.Close())
		checkLeaks(t, m.pool)
		wantDurable(t, m.pool, id, 0, string(m.data))
		info, err := m.pool.Stat(id)
		must(t, err)
		if info.Size != uint64(len(m.data)) {
			t.Fatalf("closed, the image has %d bytes, want %d", info.Size, len(m.data))
		}
	})
}

// rangeOf draws a range that may go past the end.
func (m *fileModel) rangeOf(t *rapid.T) (off, n int) {
	off = rapid.IntRange(0, modelMax-1).Draw(t, "off")
	return off, rapid.IntRange(0, min(modelMax-off, 5*modelObject)).Draw(t, "n")
}

// grow makes the model reach to end.
func (m *fileModel) grow(end int) {
	if more := end - len(m.data); more > 0 {
		m.data = append(m.data, make([]byte, more)...)
	}
}

func (m *fileModel) Write(t *rapid.T) {
	off, n := m.rangeOf(t)
	p := filled(n, rapid.Byte().Draw(t, "value"))
	must(t, m.f.WriteAt(p, uint64(off)))
	if n > 0 {
		m.grow(off + n)
		copy(m.data[off:], p)
	}
}

func (m *fileModel) Append(t *rapid.T) {
	n := rapid.IntRange(0, min(modelMax-len(m.data), modelObject)).Draw(t, "n")
	p := filled(n, rapid.Byte().Draw(t, "value"))
	must(t, m.f.WriteAt(p, uint64(len(m.data))))
	m.data = append(m.data, p...)
}

func (m *fileModel) Read(t *rapid.T) {
	off, n := m.rangeOf(t)
	got := filled(n, 0xAA)
	n, err := m.f.ReadAt(got, uint64(off))
	must(t, err)
	var want []byte
	if off < len(m.data) {
		want = m.data[off:min(off+len(got), len(m.data))]
	}
	if !bytes.Equal(got[:n], want) {
		t.Fatalf("%d bytes at %d: %s", n, off, difference(got[:n], want))
	}
}

func (m *fileModel) Truncate(t *rapid.T) {
	size := rapid.IntRange(0, modelMax).Draw(t, "size")
	must(t, m.f.Truncate(uint64(size)))
	m.data = m.data[:min(size, len(m.data))]
	m.grow(size)
}

func (m *fileModel) Zero(t *rapid.T) {
	off, n := m.rangeOf(t)
	must(t, m.f.Zero(uint64(off), uint64(n)))
	if off < len(m.data) {
		clear(m.data[off:min(off+n, len(m.data))])
	}
}

func (m *fileModel) Extend(t *rapid.T) {
	end := rapid.IntRange(0, modelMax).Draw(t, "end")
	must(t, m.f.Extend(uint64(end)))
	m.grow(end)
}

func (m *fileModel) Fsync(t *rapid.T) {
	must(t, m.f.Fsync())
	wantDurable(t, m.pool, m.f.ID(), 0, string(m.data))
	clear(m.after[:])
}

// Crash goes on with a new mount after a crash, with what is left.
func (m *fileModel) Crash(t *rapid.T) {
	crashAtRandom(t, m.pool)
	_ = m.f.Release() // it may have something to flush
	if m.read != nil {
		_ = m.read.Release()
		m.read = nil
	}
	must(t, m.files.Close())
	m.files = newFiles(m.pool, rbdio.FilesOptions{ReadOnly: true})
	var err error
	m.f, err = m.files.Open(m.f.ID(), true)
	must(t, err)
	n, err := m.f.ReadAt(m.data, 0)
	must(t, err)
	if n < len(m.data) {
		t.Fatalf("%d bytes are left of %d", n, len(m.data))
	}
	must(t, m.f.Truncate(uint64(n))) // what it grew ahead
	for i, b := range m.data {
		if !bytes.Contains(m.after[i], []byte{b}) {
			t.Fatalf("byte %d is %#x, want one of %#x", i, b, m.after[i])
		}
	}
	clear(m.after[:])
}

// noteAfter adds what each byte is to what it may be after a crash.
func (m *fileModel) noteAfter() {
	for i := range m.after {
		b := byte(0)
		if i < len(m.data) {
			b = m.data[i]
		}
		if !bytes.Contains(m.after[i], []byte{b}) {
			m.after[i] = append(m.after[i], b)
		}
	}
}

func (m *fileModel) Settle(t *rapid.T) { must(t, m.f.Settle()) }

// Reopen ends the last use, or the last but a reader's.
func (m *fileModel) Reopen(t *rapid.T) {
	must(t, m.f.Release())
	wantDurable(t, m.pool, m.f.ID(), 0, string(m.data))
	clear(m.after[:])
	var err error
	m.f, err = m.files.Open(m.f.ID(), true)
	must(t, err)
}

// Reader opens the file for reading, or closes it again.
func (m *fileModel) Reader(t *rapid.T) {
	if m.read != nil {
		must(t, m.read.Release())
		m.read = nil
		return
	}
	var err error
	m.read, err = m.files.Open(m.f.ID(), false)
	must(t, err)
	if m.read.File() != m.f.File() {
		t.Fatal("the image is open twice")
	}
}

func (m *fileModel) Copy(t *rapid.T) {
	from, n := m.rangeOf(t)
	to := rapid.IntRange(0, modelMax-n).Draw(t, "to")
	if from < to+n && to < from+n {
		t.Skip("overlapping")
	}
	n = max(0, min(n, len(m.data)-from))
	copied, err := m.f.CopyRange(uint64(from), m.f, uint64(to), uint64(n))
	must(t, err)
	if copied != uint64(n) {
		t.Fatalf("copied %d bytes, want %d", copied, n)
	}
	if n > 0 {
		m.grow(to + n)
		copy(m.data[to:to+n], m.data[from:from+n])
	}
}

// Seek walks the whole file: a hole is zeros.
func (m *fileModel) Seek(t *rapid.T) {
	data := dataMap(t, m.f)
	for i, b := range m.data {
		if b != 0 && !data.Covers(uint64(i), 1) {
			t.Fatalf("byte %d is %#x, in a hole of %v", i, b, data.Extents())
		}
	}
	for _, e := range data.Extents() {
		if e.End() > uint64(len(m.data)) {
			t.Fatalf("data in %v, of %d bytes", e, len(m.data))
		}
	}
}

// Check runs after each of the others.
func (m *fileModel) Check(t *rapid.T) {
	m.noteAfter()
	info, err := m.f.Stat()
	must(t, err)
	if size := uint64(len(m.data)); info.Size != size || m.f.Size() != size {
		t.Fatalf("the file has %d bytes, stat shows %d, want %d", m.f.Size(), info.Size, size)
	}
	if zero := make([]byte, len(m.data)); info.Allocated == 0 && !bytes.Equal(m.data, zero) {
		t.Fatal("stat shows a file without data")
	}
	wantBytes(t, m.f, 0, m.data)
}
