package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// usage is what a daemon holds of the machine.
type usage struct {
	fds     int
	threads int // Ceph's; Go's own stay once they were needed
	goes    int // Go's
}

// Bounds on growth between two moments at which nothing is open. Connections to
// further OSDs come with descriptors and none with threads. A blocked call pins a
// Go thread, and Go keeps it for the next one: the limits of calls inside librbd
// are 256 and 64 (cmd/rbdfs/defaults.go), and the runtime has a few of its own.
const (
	moreFDs     = 12
	moreThreads = 4
	mostGo      = 256 + 64 + 32
)

// leakTime is how long a daemon may take to close what nobody uses any more.
const leakTime = 15 * time.Second

// use reads the daemon's usage from /proc.
func (m *Mount) use() (usage, error) {
	proc := fmt.Sprintf("/proc/%d", m.Pid)
	var u usage
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return u, err
	}
	u.fds = len(fds)
	tasks, err := os.ReadDir(filepath.Join(proc, "task"))
	if err != nil {
		return u, err
	}
	for _, task := range tasks {
		name, err := os.ReadFile(filepath.Join(proc, "task", task.Name(), "comm"))
		switch {
		case err != nil: // it has just ended
		case strings.TrimSpace(string(name)) == "rbdfs": // librados names its threads
			u.goes++
		default:
			u.threads++
		}
	}
	return u, nil
}

// warmUpFile is there only until the mount is returned.
const warmUpFile = "harness-warm-up"

// warmUp has librados and librbd start what they start once, and remembers what
// the daemon holds then, and its address on the cluster.
func (m *Mount) warmUp(ctx context.Context) error {
	err := m.learnAddress(ctx)
	if err == nil {
		_, err = os.ReadFile(m.Path(warmUpFile))
	}
	if err == nil { // no other image was open, and there may be hundreds
		err = eventually(ctx, func() error { return m.notWatched(ctx, warmUpFile) })
	}
	if err == nil {
		err = os.Remove(m.Path(warmUpFile))
	}
	if err == nil {
		m.baseline, err = m.use()
	}
	if err != nil {
		return fmt.Errorf("first file of a new mount: %w\n%s", err, m.Log())
	}
	return nil
}

// learnAddress makes a file. While it is open for writing, its image has one
// watcher, the daemon.
func (m *Mount) learnAddress(ctx context.Context) error {
	f, err := os.Create(m.Path(warmUpFile))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		return err
	}
	watchers, err := m.watchers(ctx, warmUpFile)
	if err == nil && len(watchers) != 1 {
		err = fmt.Errorf("an open file's image has the watchers %q, and not one", watchers)
	}
	if err != nil {
		return err
	}
	m.address = watchers[0]
	return f.Close()
}

// CheckLeaks waits until the daemon holds no more than after its start, and no
// image has it for a watcher. Nothing may have a file of the mount open. Watchers
// of other clients do not count: a killed one stays for 30 s.
func (m *Mount) CheckLeaks(ctx context.Context) error {
	if err := m.noWatchers(ctx); err != nil {
		return err
	}
	return eventually(ctx, func() error {
		now, err := m.use()
		if err != nil {
			return err
		}
		was := m.baseline
		if now.fds > was.fds+moreFDs || now.threads > was.threads+moreThreads || now.goes > mostGo {
			return fmt.Errorf("the daemon leaks: %d descriptors, %d of Ceph's threads and %d of Go's; %d, %d and %d after its start",
				now.fds, now.threads, now.goes, was.fds, was.threads, was.goes)
		}
		return nil
	})
}

// noWatchers waits until the daemon watches no image of the pool.
func (m *Mount) noWatchers(ctx context.Context) error {
	return eventually(ctx, func() error {
		out, err := m.cluster.RBD(ctx, append(m.poolArgs(), "--format", "json", "ls")...)
		if err != nil {
			return err
		}
		var names []string
		if err := json.Unmarshal([]byte(out), &names); err != nil {
			return fmt.Errorf("rbd ls: %w: %s", err, out)
		}
		for _, name := range names {
			if err := m.notWatched(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// notWatched fails while the daemon watches an image.
func (m *Mount) notWatched(ctx context.Context, image string) error {
	watchers, err := m.watchers(ctx, image)
	if err == nil && slices.Contains(watchers, m.address) {
		err = fmt.Errorf("image %q still has the daemon for a watcher", image)
	}
	return err
}

// watchers returns the addresses of an image's watchers.
func (m *Mount) watchers(ctx context.Context, image string) ([]string, error) {
	// --pool and --image, as a name may hold what a spec splits at.
	out, err := m.cluster.RBD(ctx, append(m.poolArgs(), "--image", image, "--format", "json", "status")...)
	if err != nil {
		return nil, err
	}
	var status struct{ Watchers []struct{ Address string } }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return nil, fmt.Errorf("rbd status of %q: %w: %s", image, err, out)
	}
	var addresses []string
	for _, w := range status.Watchers {
		addresses = append(addresses, w.Address)
	}
	return addresses, nil
}

// poolArgs are the rbd command's options for the mounted pool.
func (m *Mount) poolArgs() []string {
	pool, namespace, found := strings.Cut(m.Pool, "/")
	if !found {
		return []string{"--pool", pool}
	}
	return []string{"--pool", pool, "--namespace", namespace}
}

// eventually repeats check until it succeeds, and returns its last error after
// leakTime. There is nothing to be notified by, so it asks again and again.
func eventually(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, leakTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // a check that was cut off says nothing
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}
