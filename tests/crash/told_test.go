package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// A file of TestToldToEach has data at its start and then a hole, which is written to
// when the pool is full. Writing to it needs no growth, and is answered at once.
const (
	toldSize = 64 << 20
	toldHole = 32 << 20
	toldAway = 48 << 20 // where who else writes does
)

// toldFile is one file, open three times since before its pool was full.
type toldFile struct {
	path, snaps           string
	writer, other, reader *os.File
}

// disturbers are what may come between a write that was acknowledged and then lost,
// and the fsync of its writer. What most of them answer is their own affair.
var disturbers = map[string]func(*testing.T, *toldFile){
	"nothing":  func(*testing.T, *toldFile) {},
	"exec":     func(t *testing.T, _ *toldFile) { must(t, exec.Command("/bin/true").Run()) },
	"sync":     func(t *testing.T, f *toldFile) { t.Log(exec.Command("sync", f.path).Run()) },
	"snapshot": func(t *testing.T, f *toldFile) { t.Log(os.Mkdir(f.snaps+"/s", 0o700)) },
	"reopen": func(t *testing.T, f *toldFile) {
		again, err := os.OpenFile(f.path, os.O_RDWR, 0)
		must(t, err)
		t.Log(again.Close())
	},
	"dup": func(t *testing.T, f *toldFile) {
		fd, err := unix.Dup(int(f.writer.Fd()))
		must(t, err)
		t.Log(unix.Close(fd))
	},
	"dsync": func(t *testing.T, f *toldFile) {
		again, err := os.OpenFile(f.path, os.O_RDWR|unix.O_DSYNC, 0)
		must(t, err)
		_, err = again.WriteAt(make([]byte, 1<<20), toldAway)
		wantFull(t, "a write with O_DSYNC", err)
		t.Log(again.Close())
	},
}

// TestToldToEach loses a write that was acknowledged, in a full pool. Each open file
// must be told by its next fsync, whatever came before it, and once. So must a mapping
// by msync.
func TestToldToEach(t *testing.T) {
	t.Parallel()
	pool := env.Cluster.Pool(t)
	m := env.Start(t, harness.Options{Pool: pool})
	m.ExpectLog(t, `level=WARN msg=refused .*errno="(disk quota exceeded|no space left on device)"`)
	files := map[string]*toldFile{}
	for name := range disturbers {
		files[name] = newToldFile(t, m, name)
	}
	mapped := newToldFile(t, m, "mapped")
	fill(t, m)
	for name, disturb := range disturbers {
		t.Run(name, func(t *testing.T) { files[name].loses(t, disturb) })
	}
	t.Run("msync", func(t *testing.T) { mapped.losesMapped(t) })
}

// newToldFile makes a file and opens it.
func newToldFile(t *testing.T, m *harness.Mount, name string) *toldFile {
	t.Helper()
	f := &toldFile{path: m.Path(name), snaps: m.Path(".snap/" + name)}
	f.writer = content.Open(t, f.path, os.O_RDWR|os.O_CREATE)
	must(t, f.writer.Truncate(toldSize))
	_, err := f.writer.WriteAt(make([]byte, 100_000), 0)
	must(t, errors.Join(err, f.writer.Sync()))
	f.other = content.Open(t, f.path, os.O_RDWR)
	f.reader = content.Open(t, f.path, os.O_RDONLY)
	return f
}

// fill has a quota make the mount's pool full, and returns when every OSD knows it:
// many new objects in a row were refused.
func fill(t *testing.T, m *harness.Mount) {
	t.Helper()
	probe := content.Open(t, m.Path("probe"), os.O_RDWR|os.O_CREATE)
	must(t, probe.Truncate(64<<30))
	ceph(t, "osd", "pool", "set-quota", m.Pool, "max_bytes", "1")
	for off, refused := int64(0), 0; refused < 8; off += 4 << 20 {
		_, err := probe.WriteAt([]byte{1}, off)
		if err = errors.Join(err, probe.Sync()); err == nil {
			refused = 0
			time.Sleep(100 * time.Millisecond) // the manager counts once in a few seconds
			continue
		}
		wantFull(t, "a write to the full pool", err)
		refused++
	}
	t.Log("close of the probe:", probe.Close())
}

// loses writes to a hole, and has something come before the fsync of those that have
// the file open.
func (f *toldFile) loses(t *testing.T, disturb func(*testing.T, *toldFile)) {
	_, err := f.writer.WriteAt(make([]byte, 1<<20), toldHole)
	must(t, err)
	time.Sleep(500 * time.Millisecond) // refused by now, or else the test proves less
	disturb(t, f)
	for _, open := range []struct {
		name string
		*os.File
	}{{"the other", f.other}, {"the writer", f.writer}, {"a reader", f.reader}} {
		wantFull(t, "fsync of "+open.name, open.Sync())
		if err := open.Sync(); err != nil {
			t.Errorf("a second fsync of %s: %v", open.name, err)
		}
	}
	if err := f.writer.Close(); err != nil {
		t.Errorf("close after fsync has told: %v", err)
	}
}

// losesMapped is loses for a mapping.
func (f *toldFile) losesMapped(t *testing.T) {
	mem, err := unix.Mmap(int(f.writer.Fd()), toldHole, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	defer func() { must(t, unix.Munmap(mem)) }()
	mem[0] = 1
	wantFull(t, "msync", unix.Msync(mem, unix.MS_SYNC))
	wantFull(t, "fsync of the other", f.other.Sync())
}

// wantFull fails unless err says that there is no room.
func wantFull(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, syscall.EDQUOT) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%s: %v, want %v", what, err, fmt.Sprint(syscall.EDQUOT, " or ", syscall.ENOSPC))
	}
}
