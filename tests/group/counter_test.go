package group

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rbdfs/tests/harness"
)

// counter is a program that keeps a number in two images: it writes the next one
// to the first image, and then to the second. So at any moment the first image has
// the number of the second, or one more.
type counter struct {
	name   string
	mount  *harness.Mount
	flags  int
	fsync  bool // after each write
	append bool // each number is 8 bytes more
	done   atomic.Uint64
}

func (c *counter) images() [2]string { return [2]string{c.name + "-1", c.name + "-2"} }

// run counts until stop is closed.
func (c *counter) run(stop <-chan struct{}) error {
	var files [2]*os.File
	for i, name := range c.images() {
		f, err := os.OpenFile(c.mount.Path(name), os.O_WRONLY|c.flags, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	for n := uint64(1); ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		for _, f := range files {
			if err := c.write(f, n); err != nil {
				return err
			}
		}
		c.done.Store(n)
	}
}

// write writes a number.
func (c *counter) write(f *os.File, n uint64) error {
	off := int64(0)
	if c.append {
		off = int64(n-1) * 8
	}
	_, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, n), off)
	if err == nil && c.fsync {
		err = f.Sync()
	}
	return err
}

// read returns the number that an image had in a group snapshot.
func (c *counter) read(t *testing.T, path string) uint64 {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if !c.append {
		if len(data) == 0 {
			return 0
		}
		return binary.LittleEndian.Uint64(data)
	}
	for i := 0; i+8 <= len(data); i += 8 {
		if n := binary.LittleEndian.Uint64(data[i:]); n != uint64(i/8+1) {
			t.Fatalf("%s has %d at %d", path, n, i)
		}
	}
	if len(data)%8 != 0 {
		t.Errorf("%s has %d bytes, a write by half", path, len(data))
	}
	return uint64(len(data) / 8)
}

// Every group snapshot shows a state that existed, of all programs that write
// meanwhile, whichever way they see to the order of their writes, also on another
// host; and all that was over before it.
func TestGroupSnapshotsShowStatesThatExisted(t *testing.T) {
	env.Mount.Check(t)
	far := env.Start(t, harness.Options{})
	counters := []*counter{
		{name: "dsync", mount: env.Mount, flags: os.O_SYNC},
		{name: "fsync", mount: env.Mount, fsync: true},
		{name: "plain", mount: env.Mount},
		{name: "append", mount: env.Mount, append: true},
		{name: "far", mount: far, fsync: true},
	}
	var members []string
	for _, c := range counters {
		for _, name := range c.images() {
			image(t, name, nil)
			members = append(members, name)
		}
	}
	dir := group(t, "db", members...)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	stopped := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer stopped()
	for _, c := range counters {
		wg.Go(func() {
			if err := c.run(stop); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
	const snaps = 4
	before := make([][]uint64, snaps)
	for i := range snaps {
		for _, c := range counters {
			begin := c.done.Load()
			within(t, time.Minute, c.name+" counts on", func() error {
				if n := c.done.Load(); n < begin+5 && !t.Failed() {
					return fmt.Errorf("it is at %d, was at %d", n, begin)
				}
				return nil
			})
		}
		for _, c := range counters {
			before[i] = append(before[i], c.done.Load())
		}
		must(t, os.Mkdir(fmt.Sprint(dir, "/", i), 0o755))
	}
	stopped()
	for k, c := range counters {
		last := uint64(0)
		for i := range snaps {
			names := c.images()
			first := c.read(t, fmt.Sprintf("%s/%d/%s", dir, i, names[0]))
			second := c.read(t, fmt.Sprintf("%s/%d/%s", dir, i, names[1]))
			if first != second && first != second+1 || second < before[i][k] || second < last {
				t.Errorf("%s: snapshot %d has %d and %d; %d was over before it, and %d in the one before", c.name, i, first, second, before[i][k], last)
			}
			last = second
		}
		t.Logf("%s: %d in the last snapshot", c.name, last)
		if last == 0 {
			t.Errorf("%s has not counted", c.name)
		}
	}
}
