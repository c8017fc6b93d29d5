package snapshots

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"rbdfs/rbdio"
)

// made is a stream that sets some of an image's first bytes.
func made(from, to string, size uint64, ranges ...any) []byte {
	b := streamHeader(from, to, size)
	for i := 0; i < len(ranges); i += 2 {
		off := uint64(ranges[i].(int))
		switch v := ranges[i+1].(type) {
		case string:
			b = append(appendRange(b, tagData, rbdio.Extent{Off: off, Len: uint64(len(v))}), v...)
		case int:
			b = appendRange(b, tagZero, rbdio.Extent{Off: off, Len: uint64(v)})
		}
	}
	return append(b, tagEnd)
}

// applied applies a stream to the rig's image.
func (r rig) applied(ctx context.Context, stream []byte) error {
	r.t.Helper()
	t, closer, err := PoolTarget(r.pool, r.id, Options{Logger: r.tree.log})
	must(r.t, err)
	defer func() { must(r.t, closer.Close()) }()
	if _, err := Recover(t); err != nil {
		return err
	}
	return Apply(ctx, t, bytes.NewReader(stream), uint64(len(stream)), func(uint64) {})
}

// state is the image's content and the names of its snapshots.
func (r rig) state() (content []byte, names string) {
	r.t.Helper()
	img, err := r.pool.OpenReadOnly(r.id)
	must(r.t, err)
	defer img.Close()
	size, err := img.Size()
	must(r.t, err)
	content = make([]byte, size)
	_, err = img.ReadAt(content, 0)
	must(r.t, err)
	snaps, err := r.pool.ListSnapshots(r.id)
	must(r.t, err)
	for _, s := range snaps {
		names += s.Name + " "
	}
	return content, names
}

// wantState fails unless the image is as it was.
func (r rig) wantState(what string, content []byte, names string) {
	r.t.Helper()
	if got, now := r.state(); !bytes.Equal(got, content) || now != names {
		r.t.Errorf("%s: the image has %d bytes (as before: %v), and snapshots %q, want %q", what, len(got), bytes.Equal(got, content), now, names)
	}
}

func TestApply(t *testing.T) {
	inBubble(t, func(r rig) {
		r.snap("a")
		must(t, r.applied(r.t.Context(), made("a", "b", 60_000, 5, "five", 49_000, 8000, 59_990, "end")))
		want := make([]byte, 60_000)
		copy(want[5:], "five")
		copy(want[59_990:], "end")
		r.wantState("one stream", want, "a b ")
		must(t, r.applied(r.t.Context(), made("b", "c", 100)))
		r.wantState("a smaller image", want[:100], "a b c ")
	})
}

// What an apply refuses, and what it fails at, leaves all as it was.
func TestApplyRefuses(t *testing.T) {
	inBubble(t, func(r rig) {
		r.snap("a")
		r.snap("b")
		content, names := r.state()
		for what, test := range map[string]struct {
			stream []byte
			want   error
		}{
			"no such start":       {made("x", "c", 10), ErrWrongStart},
			"not the newest":      {made("a", "c", 10), ErrWrongStart},
			"the end is there":    {made("b", "a", 10), ErrHasEnd},
			"full, and not empty": {made("", "c", 10), ErrWrongStart},
		} {
			if err := r.applied(r.t.Context(), test.stream); !errors.Is(err, test.want) {
				t.Errorf("%s: %v", what, err)
			}
			r.wantState(what, content, names)
		}
		for _, name := range []string{"../x", "a@b", undoNow} {
			var format *StreamError
			if err := r.applied(r.t.Context(), made("b", name, 10)); !errors.As(err, &format) {
				t.Errorf("to %q: %v", name, err)
			}
			r.wantState(name, content, names)
		}
		ended, cancel := context.WithCancel(r.t.Context())
		cancel()
		if err := r.applied(ended, made("b", "c", 10)); !errors.Is(err, context.Canceled) {
			t.Errorf("ended: %v", err)
		}
		r.wantState("ended", content, names)
		must(t, r.pool.Foreign().Write(r.id, []byte("new"), 7))
		if err := r.applied(r.t.Context(), made("b", "c", 10)); !errors.Is(err, ErrWrongStart) {
			t.Errorf("changed since: %v", err)
		}
		must(t, r.pool.Foreign().Write(r.id, []byte{0, 0, 0}, 7)) // the same again
		must(t, r.applied(r.t.Context(), made("b", "c", 10)))
	})
}

// Whichever call fails, the image is put back; also by the next apply, when
// putting it back fails too.
func TestApplyFailsAnywhere(t *testing.T) {
	stream := made("a", "b", 60_000, 5, "five", 49_000, 8000, 59_990, "end")
	for _, op := range []string{"Resize", "WriteAt", "WriteZeroes", "Flush", "CreateSnapshot", "ListSnapshots", "OpenSnapshot", "ReadAt", "Changed", "Diff", "RemoveSnapshot", "RenameSnapshot"} {
		for _, times := range []int{1, 2, 3} {
			inBubble(t, func(r rig) {
				r.snap("a")
				content, names := r.state()
				r.pool.Fail(op, times, syscall.EIO)
				err := r.applied(r.t.Context(), stream)
				r.pool.Fail(op, 0, 0)
				if now, snaps := r.state(); snaps == names && !bytes.Equal(now, content) {
					t.Errorf("%s fails %d times: the image has changed, %v", op, times, err)
				}
				if err = r.applied(r.t.Context(), stream); err != nil && !errors.Is(err, ErrHasEnd) {
					t.Errorf("%s failed %d times: again: %v", op, times, err)
				}
				copy(content[5:], "five")
				clear(content[49_000:57_000])
				copy(content[59_990:], "end")
				r.wantState(op, content[:60_000], "a b ")
			})
		}
	}
}

// An apply that was killed is undone by the next one, unless only the removal of
// its snapshot was missing.
func TestRecover(t *testing.T) {
	inBubble(t, func(r rig) {
		r.snap("a")
		content, _ := r.state()
		r.snap(undoName("b"))
		must(t, r.pool.Foreign().Write(r.id, []byte("half"), 3))
		must(t, r.pool.Foreign().Resize(r.id, 5))
		r.snap(undoNow)
		must(t, r.applied(r.t.Context(), made("a", "b", 100_000)))
		r.wantState("half done", content, "a b ")
		must(t, r.tree.Remove(r.id, "b"))
		// Killed before it began: what was written since is not its.
		r.snap(undoNow)
		must(t, r.pool.Foreign().Write(r.id, []byte("mine"), 90))
		copy(content[90:], "mine")
		if err := r.applied(r.t.Context(), made("a", "b", 100_000)); !errors.Is(err, ErrWrongStart) {
			t.Error(err)
		}
		r.wantState("not begun", content, "a ")
		r.snap(undoName("b"))
		must(t, r.pool.Foreign().Write(r.id, []byte("done"), 3))
		copy(content[3:], "done")
		r.snap("b")
		must(t, r.applied(r.t.Context(), made("b", "c", 100_000)))
		r.wantState("done", content, "a b c ")
	})
	if long := undoName(strings.Repeat("x", 250)); len(long) > maxNameLength || !strings.HasPrefix(long, undoPrefix) {
		t.Error(long)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := made("a", "b", 100, 5, "five", 10, 20)
	end := len(good) - 1
	cut := func(b []byte, n int) []byte { return b[:n:n] }
	for what, stream := range map[string][]byte{
		"empty":              nil,
		"no banner":          []byte("rbd diff v2\n" + string(good[12:])),
		"a bad tag":          append(cut(good, end), 'x', 'e'),
		"no end":             cut(good, end),
		"cut off in data":    cut(good, end-17-2),
		"something behind":   append(cut(good, end+1), 0),
		"behind the size":    made("a", "b", 100, 99, "xx"),
		"zeros behind":       made("a", "b", 100, 50, 51),
		"overflow":           append(appendRange(cut(good, end), tagZero, rbdio.Extent{Off: 1, Len: 1<<64 - 1}), 'e'),
		"more data than is":  append(appendRange(cut(good, end), tagData, rbdio.Extent{Off: 1, Len: 90}), 'e'),
		"a long name":        made(strings.Repeat("x", 256), "b", 100),
		"no end snapshot":    append([]byte(streamBanner), made("", "b", 1)[12+6:]...),
		"no size":            append(cut(made("a", "b", 1), 12+6+6), 'e'),
		"two sizes":          append(cut(made("a", "b", 1), 12+6+6+9), "s\x00\x00\x00\x00\x00\x00\x00\x00e"...),
		"two names":          append(cut(made("a", "b", 1), 12+6+6), "t\x01\x00\x00\x00ce"...),
		"a late name":        append(appendName(cut(good, end), tagTo, "c"), 'e'),
		"to where it starts": made("b", "b", 100),
	} {
		_, err := CheckStream(t.Context(), bytes.NewReader(stream), uint64(len(stream)))
		var format *StreamError
		if !errors.As(err, &format) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range good {
		if _, err := CheckStream(t.Context(), bytes.NewReader(good[:n]), uint64(n)); err == nil {
			t.Errorf("the first %d bytes pass", n)
		}
	}
	// A file that became shorter is not a wrong stream.
	_, err := CheckStream(t.Context(), bytes.NewReader(good[:20]), uint64(len(good)))
	if !errors.Is(err, io.EOF) {
		t.Errorf("a short file: %v", err)
	}
}

// What the index writes, the decoder reads.
func TestDecodeWhatIsEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]uint64{12, 1000, 3 * maxDataRecord}).Draw(t, "size")
		b := &indexBuilder{imageSize: size, most: maxExtents}
		b.add(drawExtents(t, size))
		stream := append(streamHeader("from", "to", size), plain(b.list, pattern)...)
		d, err := CheckStream(context.Background(), bytes.NewReader(stream), uint64(len(stream)))
		if err != nil || d.From != "from" || d.To != "to" || d.Size != size {
			t.Fatalf("%+v, %v", d, err)
		}
		var list []rbdio.DiffExtent
		for {
			r, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if !r.Zero && !bytes.Equal(stream[r.At:r.At+r.Len], pattern(r.Extent)) {
				t.Fatalf("the data of %+v is not at %d", r.Extent, r.At)
			}
			list = appendExtent(list, r.DiffExtent)
		}
		if len(list) != len(b.list) {
			t.Fatalf("%v, want %v", list, b.list)
		}
		for i := range list {
			if list[i] != b.list[i] {
				t.Fatalf("%v, want %v", list, b.list)
			}
		}
	})
}

// FuzzStreamDecoder: nothing that a file can hold makes the decoder panic, or
// return what is outside of the image or of the file.
func FuzzStreamDecoder(f *testing.F) {
	f.Add(made("a", "b", 100, 5, "five", 10, 20))
	f.Add(made("", "b", 1<<63, 5, "five", 10, 1<<40))
	f.Fuzz(func(t *testing.T, stream []byte) {
		length := uint64(len(stream))
		d, err := NewStreamDecoder(bytes.NewReader(stream), length)
		for n := 0; err == nil; n++ {
			var r StreamRange
			if r, err = d.Next(); err != nil {
				break
			}
			if r.End() < r.Off || r.End() > d.Size || !r.Zero && r.At+r.Len > length || n > len(stream) {
				t.Fatalf("%+v of an image of %d bytes", r, d.Size)
			}
		}
		if err == io.EOF && d.Position() != length {
			t.Fatalf("it ended at %d of %d", d.Position(), length)
		}
	})
}

func TestCutOffStreamIsNotBegun(t *testing.T) {
	inBubble(t, func(r rig) {
		r.snap("a")
		before := r.pool.Calls("CreateSnapshot")
		stream := made("a", "b", 60_000, 5, "five", 59_990, "end")
		if err := r.applied(r.t.Context(), stream[:len(stream)-3]); err == nil {
			t.Error("a stream without its end is applied")
		}
		if n := r.pool.Calls("CreateSnapshot") - before; n > 0 {
			t.Errorf("%d snapshots were taken for a stream without its end", n)
		}
	})
}
