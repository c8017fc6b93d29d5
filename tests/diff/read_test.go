package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/content"
)

// twoSnaps makes an image with snapshots a and b.
func twoSnaps(t *testing.T, name string) *history {
	t.Helper()
	create(t, name, "--size", "2M")
	h := &history{image: name, now: content.New(t, 2*mib)}
	for _, s := range []string{"a", "b"} {
		h.now.Scribble(t, env.Mount.Path(name), 20)
		snap(t, name, s)
		h.was = append(h.was, bytes.Clone(h.now.Bytes))
	}
	return h
}

// Tools copy streams as they copy files, and rbd merges them.
func TestStreamsAsFiles(t *testing.T) {
	for _, tool := range []string{"tar", "rsync"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; tests/install-deps installs it", tool)
		}
	}
	env.Mount.Check(t)
	h := twoSnaps(t, "files")
	dir := env.Mount.Path(".snap/files/b/.diff")
	full, diff := stream(t, diffOf("files", "a", ".full")), stream(t, dir+"/a")
	work := t.TempDir()
	copies := map[string][]string{
		"cp":    {"cp", "--preserve=timestamps", dir + "/a", work + "/cp"},
		"rsync": {"rsync", "-S", "-t", dir + "/a", work + "/rsync"},
		"tar":   {"sh", "-c", `tar -S -C "$1" -cf - a | tar -S -C "$2" -xf - && mv "$2/a" "$2/tar"`, "sh", dir, work},
		"dd":    {"sh", "-c", `dd status=none if="$1/a" of="$2/dd" bs=1000 count=3 && dd status=none if="$1/a" bs=1000 skip=3 >>"$2/dd"`, "sh", dir, work},
	}
	for tool, argv := range copies {
		if out := run(t, argv...); out != "" {
			t.Errorf("%s: %s", tool, out)
		}
		got, err := os.ReadFile(filepath.Join(work, tool))
		must(t, err)
		wantSame(t, tool, got, diff)
	}
	must(t, os.WriteFile(work+"/full", full, 0o600))
	run(t, "rbd", "merge-diff", "--no-progress", work+"/full", work+"/cp", work+"/merged")
	merged, err := os.ReadFile(work + "/merged")
	must(t, err)
	d, err := decode(merged, nil)
	must(t, err)
	wantSame(t, "the merged stream", d.image, h.was[1])
	// What rbd export-diff says of the same two snapshots leads to the same.
	d, err = decode([]byte(rbd(t, "export-diff", "--no-progress", "--from-snap", "a", spec("files@b"), "-")), h.was[0])
	must(t, err)
	wantSame(t, "rbd export-diff", d.image, h.was[1])
	before, err := os.Stat(dir + "/a")
	must(t, err)
	snapshot, err := os.Stat(env.Mount.Path(".snap/files/b/files"))
	must(t, err)
	st := before.Sys().(*syscall.Stat_t)
	if before.Mode() != snapshot.Mode() || !before.ModTime().Equal(snapshot.ModTime()) || st.Blocks != (st.Size+511)/512 {
		t.Errorf("%+v", st)
	}
}

// Several read one stream at once, each in its own order.
func TestReadersAtOnce(t *testing.T) {
	env.Mount.Check(t)
	h := twoSnaps(t, "readers")
	path := diffOf("readers", "b", "a")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			got, err := readInSteps(f, int64(1000*(i+1)), i%2 == 1)
			if err != nil {
				t.Error(err)
				return
			}
			if d, err := decode(got, h.was[0]); err != nil || !bytes.Equal(d.image, h.was[1]) {
				t.Errorf("reader %d has %d bytes that are wrong: %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}

// readInSteps reads a file by its size, forwards or backwards.
func readInSteps(f *os.File, step int64, back bool) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	all := make([]byte, info.Size())
	for i := range (info.Size() + step - 1) / step {
		off := i * step
		if back {
			off = max(info.Size()-(i+1)*step, 0)
		}
		part := all[off:min(off+step, info.Size())]
		if n, err := f.ReadAt(part, off); n != len(part) || err != nil && err != io.EOF {
			return nil, fmt.Errorf("%d bytes at %d: %w", n, off, err)
		}
	}
	return all, nil
}

// What is not there is not found, nothing can be changed, and .diff is not listed.
func TestRefusals(t *testing.T) {
	env.Mount.Check(t)
	twoSnaps(t, "refuse")
	dir := env.Mount.Path(".snap/refuse/b/.diff")
	for _, name := range []string{"b", "none", ".snap", "refuse"} {
		_, err := os.Stat(filepath.Join(dir, name))
		want(t, "stat "+name, err, syscall.ENOENT)
	}
	_, err := os.Stat(diffOf("refuse", "a", "b"))
	want(t, "stat of a newer one", err, syscall.ENOENT)
	for path, list := range map[string]string{filepath.Dir(dir): "refuse\n", dir: ".full\na\n"} {
		if got := run(t, "ls", "-A", "-1", path); got != list {
			t.Errorf("%s has %q", path, got)
		}
	}
	path := filepath.Join(dir, "a")
	want(t, "remove", os.Remove(path), syscall.EROFS)
	want(t, "rename", os.Rename(path, path+"x"), syscall.EROFS)
	want(t, "truncate", os.Truncate(path, 0), syscall.EROFS)
	want(t, "chmod", os.Chmod(path, 0o600), syscall.EROFS)
	want(t, "mkdir", os.Mkdir(filepath.Join(dir, "x"), 0o700), syscall.EROFS)
	_, err = os.OpenFile(path, os.O_RDWR, 0)
	want(t, "open for writing", err, syscall.EROFS)
	_, err = os.Create(filepath.Join(dir, "x"))
	want(t, "create", err, syscall.EROFS)
	want(t, "create .diff in the root", os.WriteFile(env.Mount.Path(".diff"), nil, 0o600), syscall.EPERM)
}

// A stream whose snapshot is removed while it is open answers an error, and never
// other data.
func TestRemovedWhileReading(t *testing.T) {
	env.Mount.Check(t)
	twoSnaps(t, "gone")
	f, err := os.Open(diffOf("gone", "b", "a"))
	must(t, err)
	defer f.Close()
	must(t, os.Remove(env.Mount.Path(".snap/gone/b")))
	if got, err := io.ReadAll(f); !errors.Is(err, syscall.ESTALE) && !errors.Is(err, syscall.EIO) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err = os.Open(diffOf("gone", "b", "a"))
	want(t, "open", err, syscall.ENOENT)
}

// What changed in a sparse image of 1 TiB is known in seconds by its fast diff;
// one without is searched. The limit is there to end a test that hangs.
func TestHugeImage(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 4*time.Minute, errors.New("not done in four minutes"))
	defer cancel()
	env.Mount.Check(t)
	for _, image := range []struct {
		name, features string
		size           int64
	}{{"huge", "layering,exclusive-lock,object-map,fast-diff", 1 << 40}, {"large", "layering", 8 << 30}} {
		rbd(t, "create", spec(image.name), "--size", fmt.Sprint(image.size, "B"), "--image-feature", image.features)
		remove(t, image.name)
		snap(t, image.name, "a")
		f := content.Open(t, env.Mount.Path(image.name), os.O_WRONLY)
		for _, off := range []int64{0, 5 << 30, image.size - 4} {
			_, err := f.WriteAt([]byte("data"), off)
			must(t, err)
		}
		content.Close(t, f)
		snap(t, image.name, "b")
		for _, older := range []string{"a", ".full"} {
			begin := time.Now()
			out, err := exec.CommandContext(ctx, "cat", diffOf(image.name, "b", older)).Output()
			if err != nil || ctx.Err() != nil {
				t.Fatal(err, context.Cause(ctx))
			}
			t.Log(image.name, older, "took", time.Since(begin))
			if n := bytes.Count(out, []byte("data")); n != 3 {
				t.Errorf("%s, %s: %d bytes, %d changes", image.name, older, len(out), n)
			}
		}
	}
}
