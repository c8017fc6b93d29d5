package tools

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// objectSize is that of the images that the mount makes, in bytes.
const objectSize = 4 << 20

// img is the path of an image that the test makes, and removes it at the end.
func img(t *testing.T, name string) string {
	t.Helper()
	path := env.Mount.Path(name)
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	})
	return path
}

// check has the mount's log and leaks looked at when the test is over. It comes
// before anything that the end of the test is to undo.
func check(t *testing.T) { t.Helper(); env.Mount.Check(t) }

// rbd runs the rbd command on the image at path.
func rbd(t *testing.T, path, verb string, more ...string) string {
	t.Helper()
	// Not as a spec, which rbd splits at '/' and '@'.
	args := append([]string{verb, "--pool", env.Pool, "--image", filepath.Base(path)}, more...)
	out, err := env.Cluster.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// used is what the rbd command says the image at path uses, in bytes.
func used(t *testing.T, path string) int64 {
	t.Helper()
	if stat(t, path).Size == 0 {
		return 0 // "rbd du" of Ceph 16 aborts in DiffIterate.cc on an image of size 0
	}
	var du struct {
		Images []struct {
			Used int64 `json:"used_size"`
		}
	}
	if err := json.Unmarshal([]byte(rbd(t, path, "du", "--format", "json")), &du); err != nil {
		t.Fatal(err)
	}
	if len(du.Images) != 1 {
		t.Fatalf("rbd du of %s: %+v", path, du)
	}
	return du.Images[0].Used
}

// stat is stat(2).
func stat(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatalf("stat %s: %v", path, err)
	}
	return st
}

// allocated is what stat(2) says the file uses, in bytes.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	return stat(t, path).Blocks * 512
}

// wantUsed checks by stat(2) and by the rbd command what an image uses, which
// stat(2) can only say in blocks of 512 bytes. The kernel tells of a last close(2)
// behind it, and until then an empty file counts as one that may hold something.
func wantUsed(t *testing.T, path string, want int64) {
	t.Helper()
	if want == 0 {
		notOpen(t, path)
	}
	du, st := used(t, path), stat(t, path)
	t.Logf("%s: %d bytes, rbd du says %d, st_blocks %d = %d bytes", filepath.Base(path), st.Size, du, st.Blocks, st.Blocks*512)
	if du != want || st.Blocks != (want+511)/512 {
		t.Errorf("%s uses %d bytes by rbd du and %d by st_blocks, should be %d", filepath.Base(path), du, st.Blocks*512, want)
	}
}

// notOpen waits until nobody has an image open for writing.
func notOpen(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n, err := syscall.Getxattr(path, "user.rbd.watchers", make([]byte, 4096))
		if err == nil && n == 0 {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%s is still open, %v", path, err)
		}
	}
}

// wantSame checks that the image at path holds what the file does, read through
// the mount and exported by the rbd command.
func wantSame(t *testing.T, path, file string) {
	t.Helper()
	quiet(t, "cmp", path, file)
	wantExport(t, path, file)
}

// wantExport is wantSame by the rbd command alone.
func wantExport(t *testing.T, path, file string) {
	t.Helper()
	exported := filepath.Join(t.TempDir(), "exported")
	rbd(t, path, "export", "--no-progress", "--path", exported)
	quiet(t, "cmp", exported, file)
	if err := os.Remove(exported); err != nil {
		t.Fatal(err)
	}
}

// extent is a range of bytes, [off, off+len).
type extent struct{ off, len int64 }

// objects is the number of bytes in the objects of an image of size bytes that
// hold any of the extents.
func objects(size int64, extents []extent) int64 {
	touched := map[int64]bool{}
	for _, e := range extents {
		for o := e.off / objectSize; o <= (e.off+e.len-1)/objectSize; o++ {
			touched[o] = true
		}
	}
	var n int64
	for o := range touched {
		n += min(objectSize, size-o*objectSize)
	}
	return n
}

// sparse makes a file of size bytes in a folder of the test, with random data
// in the extents and holes between them.
func sparse(t *testing.T, size int64, extents []extent) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for _, e := range extents {
		if _, err := f.WriteAt(random(t, int(e.len)), e.off); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// remounted mounts the pool a second time, and returns the path of the image at
// path there: a mount that knows nothing of what the first one did.
func remounted(t *testing.T, path string) string {
	t.Helper()
	return env.Start(t, harness.Options{}).Path(filepath.Base(path))
}
