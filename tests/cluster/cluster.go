package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// DefaultPool is the pool that a cluster made by Start has.
	DefaultPool = "rbd"
	// Namespace is the namespace of DefaultPool that RBDNamespace is bound to.
	Namespace = "ns1"
)

// bootTime is how long Start waits at most. It takes about 4 s on two idle
// cores, and several clusters may start at once.
const bootTime = 2 * time.Minute

// Cluster is a running Ceph.
type Cluster struct {
	conf  string // the folder of a cluster of ours is the one this is in
	osds  int
	keep  bool
	log   *slog.Logger
	spawn *spawner
	// daemons are those of Start by name, empty for another's cluster. The map
	// does not change after newCluster.
	daemons map[string]*daemon
	fsid    string

	mu sync.Mutex // guards private, which CreateUser writes and Keyring reads
	// private holds the keyrings of CreateUser for a cluster that is not ours,
	// "" before the first.
	private string

	closeOnce sync.Once
	closeErr  error
}

// Start makes a cluster and waits until its pool DefaultPool can be used and
// the manager answers. On an error nothing is left but the logs, if Keep asks
// for them.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	begin := time.Now()
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	dir, err := PrepareDir(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c := newCluster(dir, opts)
	ctx, cancel := context.WithTimeoutCause(ctx, bootTime, fmt.Errorf("not usable after %v", bootTime))
	defer cancel()
	if err := c.boot(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("start cluster in %q: %w", dir, err), c.Close())
	}
	c.log.Info("cluster is up", "dir", dir, "osds", opts.OSDs, "took", time.Since(begin).Round(time.Millisecond))
	return c, nil
}

// newCluster sets up the value; nothing runs yet but the spawner.
func newCluster(dir string, opts Options) *Cluster {
	c := &Cluster{
		conf: confPath(dir), osds: opts.OSDs, keep: opts.Keep, log: opts.Logger,
		spawn: newSpawner(), daemons: map[string]*daemon{}, fsid: newUUID(),
	}
	c.addDaemon("mon.a", "ceph-mon", "-i", "a")
	c.addDaemon("mgr.x", "ceph-mgr", "-i", "x")
	for i := range opts.OSDs {
		c.addDaemon(osdName(i), "ceph-osd", "-i", fmt.Sprint(i))
	}
	return c
}

// addDaemon declares a daemon, to run in the foreground (-f), without the
// change of user that a packaged ceph.conf could ask for.
func (c *Cluster) addDaemon(name string, argv ...string) {
	c.daemons[name] = &daemon{
		name:   name,
		argv:   append(argv, "--conf", c.conf, "-f"),
		stderr: filepath.Join(c.Dir(), "log", name+".stderr"),
		spawn:  c.spawn,
	}
}

// Close ends all daemons and removes the folder. For a cluster that another
// process owns it only removes what this process keeps of it. It may be called
// more than once.
func (c *Cluster) Close() error {
	c.closeOnce.Do(func() {
		// Killed, not stopped: nobody will start from these files again.
		for _, d := range c.daemons {
			d.kill()
		}
		c.spawn.close()
		if c.Owned() && !c.keep {
			c.closeErr = removeDir(c.Dir())
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.private != "" {
			c.closeErr = os.RemoveAll(c.private)
		}
	})
	return c.closeErr
}

// Dir is the cluster's folder, the one that ceph.conf is in.
func (c *Cluster) Dir() string { return filepath.Dir(c.conf) }

// Conf is the path of ceph.conf. It finds the keyrings of the users by itself.
func (c *Cluster) Conf() string { return c.conf }

// Owned says whether this process started the daemons and may control them.
func (c *Cluster) Owned() bool { return len(c.daemons) > 0 }

// OSDs is the number of OSDs.
func (c *Cluster) OSDs() int { return c.osds }

// Keyring is the path of the keyring of user, for instance RBD: in the folder
// of ceph.conf, or where CreateUser put it.
func (c *Cluster) Keyring(user string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if path := keyringPath(c.private, user); c.private != "" && exists(path) {
		return path
	}
	return keyringPath(c.Dir(), user)
}

// userDir is where CreateUser's keyrings go: next to the ceph.conf of a cluster
// of ours, so that the conf alone finds them, or to a folder of this process.
func (c *Cluster) userDir() (dir string, err error) {
	if isOurs(c.Dir()) {
		return c.Dir(), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.private == "" {
		c.private, err = os.MkdirTemp("", "rbdfs-cluster-users-")
	}
	return c.private, err
}

// isOurs says whether the folder is of a cluster that this package started.
func isOurs(dir string) bool { return exists(keyringPath(dir, RBDNamespace)) }

// exists says whether there is a file of that name.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// osdName is the name of the OSD's daemon.
func osdName(id int) string { return fmt.Sprintf("osd.%d", id) }

// newUUID makes a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // does not happen: crypto/rand.Read never returns an error
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomName is a short random name for a pool or user.
func randomName() string {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // as in newUUID
	}
	return hex.EncodeToString(b[:])
}
