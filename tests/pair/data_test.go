package pair

import (
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestCloseToOpen reads on one host what the other has closed, from files that
// the reader has read, and so cached, before.
func TestCloseToOpen(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("cto"), strings.Repeat("0", 100_000))
	for round, letter := range []string{"a", "b", "c", "d", "e"} {
		writer, reader := a, b
		if round%2 == 1 {
			writer, reader = b, a
		}
		if _, err := os.ReadFile(reader.Path("cto")); err != nil {
			t.Fatal(err)
		}
		f := content.Open(t, writer.Path("cto"), os.O_WRONLY)
		text := strings.Repeat(letter, 100_000)
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		content.Close(t, f)
		reads(t, reader.Path("cto"), text)
	}
	must(t, os.Remove(a.Path("cto")))
}

// TestAppended sees what was appended on the other host, although the reader had
// asked for the size just before.
func TestAppended(t *testing.T) {
	a, b := hosts(t)
	put(t, a.Path("app"), "")
	text := ""
	for _, word := range []string{"one ", "two ", "three "} {
		content.Stat(t, b.Path("app"))
		f := content.Open(t, a.Path("app"), os.O_WRONLY|os.O_APPEND)
		if _, err := f.WriteString(word); err != nil {
			t.Fatal(err)
		}
		content.Close(t, f)
		text += word
		soon(t, "an appended word", func() error { return holds(b.Path("app"), text) })
	}
	must(t, os.Remove(a.Path("app")))
}

// holds tells what a file holds instead of this text.
func holds(path, text string) error {
	got, err := os.ReadFile(path)
	if err == nil && string(got) != text {
		err = &os.PathError{Op: "compare", Path: path, Err: errorText(got)}
	}
	return err
}

type errorText []byte

func (e errorText) Error() string { return "it holds " + string(e) }

// TestWriters has both hosts write to their own parts of one image at once, with
// the exclusive lock going to and fro.
func TestWriters(t *testing.T) {
	a, b := hosts(t)
	const part, rounds = 50_000, 15
	rbd(t, "create", "--size", "10M", spec("two"))
	c := content.New(t, 10<<20)
	want := c.Bytes
	var wg sync.WaitGroup
	for i, m := range []*harness.Mount{a, b} {
		own := content.New(t, 10<<20)
		f := content.Open(t, m.Path("two"), os.O_RDWR)
		wg.Go(func() {
			for k := range rounds {
				off := (2*k + i) * part
				own.Write(t, f, off, part)
				copy(want[off:off+part], own.Bytes[off:]) // disjoint parts
				if k%3 == 0 {
					if err := f.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c.CheckExport(t, env.Cluster, spec("two"))
	for _, m := range []*harness.Mount{a, b} {
		c.Check(t, m.Path("two"))
	}
	must(t, os.Remove(a.Path("two")))
}

// TestHandOver passes an image to and fro by fsync alone, both having it open.
func TestHandOver(t *testing.T) {
	a, b := hosts(t)
	rbd(t, "create", "--size", "1M", spec("hand"))
	fa := content.Open(t, a.Path("hand"), os.O_RDWR|unix.O_DIRECT)
	fb := content.Open(t, b.Path("hand"), os.O_RDWR|unix.O_DIRECT)
	for i := range 10 {
		from, to := fa, fb
		if i%2 == 1 {
			from, to = fb, fa
		}
		text := strings.Repeat(string(rune('a'+i)), 4096)
		_, err := from.WriteAt([]byte(text), int64(i)*4096)
		must(t, err)
		must(t, from.Sync())
		got := make([]byte, 4096)
		_, err = to.ReadAt(got, int64(i)*4096)
		must(t, err)
		if string(got) != text {
			t.Fatalf("round %d: read %.10q after the fsync of %.10q", i, got, text)
		}
	}
	content.Close(t, fa)
	content.Close(t, fb)
	must(t, os.Remove(a.Path("hand")))
}
