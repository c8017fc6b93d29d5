package leaks

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// The numbers of images in the pool, and open at once. rbd-fuse opens each image
// that it lists, and 128 at the most.
const (
	images     = 500
	openImages = 300
	// moreDescriptors are for connections to OSDs that were not needed before.
	moreDescriptors = 12
)

// many is a mount of a pool with that many images, which go with the pool.
type many struct{ *harness.Mount }

func (m many) path(i int) string { return m.Path(fmt.Sprintf("many%03d", i)) }

// TestManyImages lists a pool of many images, and has many of them open.
func TestManyImages(t *testing.T) {
	m := many{env.Start(t, harness.Options{
		Pool: env.Cluster.Pool(t), Args: []string{"--image-features", "layering,exclusive-lock"},
	})}
	parallel(t, images, func(i int) error { return os.WriteFile(m.path(i), nil, 0o600) })
	t.Run("listed", m.testListed)
	t.Run("open", m.testOpen)
}

// testListed has ls -l show all images, again and again, and looks for watchers
// meanwhile: there must be none, and no more descriptors afterwards.
func (m many) testListed(t *testing.T) {
	headers := m.headerObjects(t)
	if len(headers) < images {
		t.Fatalf("%d headers of %d images", len(headers), images)
	}
	before := descriptors(t, m.Mount)
	ctx, stop := context.WithCancel(t.Context())
	listed := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			out, err := exec.Command("ls", "-l", m.Dir).CombinedOutput()
			if err != nil || strings.Count(string(out), " many") != images {
				t.Errorf("ls -l: %v: %.500s", err, out)
				break
			}
		}
		listed <- n
	}()
	for range 5 {
		if found := watched(t, headers); len(found) > 0 {
			t.Errorf("ls -l has opened %d images for writing: %.200v", len(found), found)
			break
		}
	}
	stop()
	if n := <-listed; n < 2 {
		t.Errorf("ls -l was run %d times", n)
	}
	if after := descriptors(t, m.Mount); after > before+moreDescriptors {
		t.Errorf("%d descriptors after ls -l, %d before", after, before)
	}
}

// headerObjects are the header objects of the pool's images.
func (m many) headerObjects(t *testing.T) map[string]bool {
	t.Helper()
	out, err := env.Cluster.Rados(t.Context(), "-p", m.Pool, "ls")
	must(t, err)
	headers := map[string]bool{}
	for _, object := range strings.Fields(out) {
		if strings.HasPrefix(object, "rbd_header.") {
			headers[object] = true
		}
	}
	return headers
}

// watched are those of the objects that anyone watches now, by the OSDs' own
// lists.
func watched(t *testing.T, objects map[string]bool) (found []string) {
	t.Helper()
	out, err := env.Cluster.Ceph(t.Context(), "tell", "osd.*", "dump_watchers")
	must(t, err)
	for _, word := range strings.FieldsFunc(out, func(r rune) bool { return strings.ContainsRune("\", \n", r) }) {
		if objects[word] {
			found = append(found, word)
		}
	}
	return found
}

// testOpen has many images open at once, writes to each, closes them and reads
// them back; no watcher and no descriptor is left.
func (m many) testOpen(t *testing.T) {
	before := descriptors(t, m.Mount)
	files := make([]*os.File, openImages)
	parallel(t, openImages, func(i int) (err error) {
		if files[i], err = os.OpenFile(m.path(i), os.O_RDWR, 0); err == nil {
			_, err = fmt.Fprintf(files[i], "image %d", i)
		}
		return err
	})
	headers := m.headerObjects(t)
	if n := len(watched(t, headers)); n != openImages {
		t.Errorf("%d watchers of %d open images", n, openImages)
	}
	parallel(t, openImages, func(i int) error {
		if err := files[i].Close(); err != nil {
			return err
		}
		got, err := os.ReadFile(m.path(i))
		if want := fmt.Sprintf("image %d", i); err == nil && string(got) != want {
			err = fmt.Errorf("it holds %q, want %q", got, want)
		}
		return err
	})
	deadline := time.Now().Add(15 * time.Second)
	for { // the images are closed after the answer to close(2)
		late := time.Now().After(deadline)
		found, now := watched(t, headers), descriptors(t, m.Mount)
		if len(found) == 0 && now <= before+moreDescriptors {
			return
		}
		if late {
			t.Fatalf("after the last close there are %d watchers, and %d descriptors, %d before", len(found), now, before)
		}
	}
}
