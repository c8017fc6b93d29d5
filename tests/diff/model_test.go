package diff

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

const (
	modelSize  = 2*mib + 12345
	modelSnaps = 7
)

// history is an image with snapshots s0, s1, …, and what it held in each.
type history struct {
	image string
	now   *content.Content
	was   [][]byte
}

// grow makes random changes and a snapshot after them, until there are enough;
// before each, between is told how many there are.
func (h *history) grow(t *testing.T, between func(n int)) {
	t.Helper()
	path := env.Mount.Path(h.image)
	for n := range modelSnaps {
		between(n)
		h.now.Scribble(t, path, 2+h.now.Rand.IntN(12))
		if n == 3 { // to nothing and back: all that was written before is gone
			f := content.Open(t, path, os.O_RDWR)
			h.now.Truncate(t, f, 100*kib)
			h.now.Truncate(t, f, modelSize)
			content.Close(t, f)
		}
		snap(t, h.image, fmt.Sprint("s", n))
		h.was = append(h.was, bytes.Clone(h.now.Bytes))
	}
}

// check applies the stream of every pair of snapshots, and the full ones.
func (h *history) check(t *testing.T, m *harness.Mount, names []int) {
	t.Helper()
	for j, to := range names {
		dir := m.Path(fmt.Sprintf(".snap/%s/s%d/.diff/", h.image, to))
		h.checkOne(t, dir+".full", "", nil, to)
		for _, from := range names[:j] {
			h.checkOne(t, dir+fmt.Sprint("s", from), fmt.Sprint("s", from), h.was[from], to)
		}
	}
}

func (h *history) checkOne(t *testing.T, path, from string, before []byte, to int) {
	t.Helper()
	d, err := decode(stream(t, path), before)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if d.from != from || d.to != fmt.Sprint("s", to) {
		t.Errorf("%s is from %q to %q", path, d.from, d.to)
	}
	wantSame(t, path, d.image, h.was[to])
}

// replay brings a new image through some of the snapshots by rbd import-diff.
func (h *history) replay(t *testing.T, names ...int) {
	t.Helper()
	copied := h.image + "-copy"
	rbd(t, "create", spec(copied), "--size", "1M")
	older := ".full"
	for _, n := range names {
		importDiff(t, stream(t, diffOf(h.image, fmt.Sprint("s", n), older)), copied)
		older = fmt.Sprint("s", n)
		wantImage(t, copied, h.was[n])
		wantImage(t, copied+"@"+older, h.was[n])
	}
	rbd(t, "snap", "purge", "--no-progress", spec(copied))
	rbd(t, "rm", "--no-progress", spec(copied))
}

func nothing(int) {}

// awaitFlat waits until a clone is flattened.
func awaitFlat(t *testing.T, image string) {
	t.Helper()
	buf := make([]byte, 100)
	for {
		n, err := unix.Getxattr(env.Mount.Path(image), "user.rbd.flatten", buf)
		must(t, err)
		if string(buf[:n]) == "100%" {
			return
		}
	}
}

// Random changes between snapshots: every stream leads from what the image held
// to what it held then, whatever the image's features, also with snapshots between
// them left out or removed.
func TestRandomHistories(t *testing.T) {
	for name, args := range map[string][]string{
		"fast":    {"--image-feature", "layering,exclusive-lock,object-map,fast-diff,deep-flatten"},
		"plain":   {"--image-feature", "layering"},
		"striped": {"--image-feature", "layering,striping,exclusive-lock,object-map,fast-diff", "--stripe-unit", "16K", "--stripe-count", "3"},
		"journal": {"--image-feature", "exclusive-lock,journaling,object-map,fast-diff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			create(t, name, append(args, "--size", "2M")...)
			h := &history{image: name, now: content.New(t, 2*mib)}
			h.grow(t, nothing)
			h.check(t, env.Mount, []int{0, 1, 2, 3, 4, 5, 6})
			h.replay(t, 0, 1, 2, 3, 4, 5, 6)
			h.replay(t, 1, 4, 6)
			for _, gone := range []string{"s2", "s5"} {
				must(t, os.Remove(env.Mount.Path(".snap/"+name+"/"+gone)))
			}
			fresh := env.Start(t, harness.Options{ReadOnly: true, Args: []string{"--read-only"}}) // has compared nothing yet
			h.check(t, fresh, []int{0, 1, 3, 4, 6})
		})
	}
}

// The same for clones, one of which is flattened between two snapshots: what
// their parent backs is in a full stream.
func TestRandomHistoriesOfClones(t *testing.T) {
	golden := content.New(t, modelSize)
	create(t, "golden", "--size", "0")
	f := content.Open(t, env.Mount.Path("golden"), os.O_RDWR)
	for off := 0; off < modelSize; off += 300 * kib {
		golden.Write(t, f, off, min(200*kib, modelSize-off))
	}
	golden.Truncate(t, f, modelSize)
	content.Close(t, f)
	snap(t, "golden", "v1")
	t.Run("clones", func(t *testing.T) {
		for name, features := range map[string]string{
			"fast":    "layering,exclusive-lock,object-map,fast-diff,deep-flatten",
			"plain":   "layering",
			"shallow": "layering,exclusive-lock,object-map,fast-diff",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				image := "clone-" + name
				rbd(t, "clone", "--rbd-default-clone-format", "2", "--object-size", "64K", "--image-feature", features, spec("golden@v1"), spec(image))
				remove(t, image)
				h := &history{image: image, now: content.New(t, modelSize)}
				copy(h.now.Bytes, golden.Bytes)
				h.grow(t, func(n int) {
					if name != "plain" && n == 5 {
						must(t, unix.Setxattr(env.Mount.Path(image), "user.rbd.flatten", []byte("1"), 0))
						awaitFlat(t, image)
					}
				})
				h.check(t, env.Mount, []int{0, 1, 2, 3, 4, 5, 6})
				h.replay(t, 0, 3, 4, 6)
			})
		}
	})
}
