package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rbdfs/tests/cluster"
)

const (
	envConf      = "RBDFS_BENCH_CONF"       // ceph.conf of a real cluster
	envPool      = "RBDFS_BENCH_POOL"       // the pool to use there
	envMountArgs = "RBDFS_BENCH_MOUNT_ARGS" // more arguments of "rbdfs mount"
	envBinary    = "RBDFS_BIN"              // the program, ./rbdfs by default
)

// bench is where everything runs.
type bench struct {
	settings
	ceph  *cluster.Cluster
	dir   string // temporary; scratch files and mount points are in it
	pool  string
	image string // what fio runs on
	rbdfs string // the programs
	memfs string

	mountHelp string // of "rbdfs mount --help"

	prefilled bool            // the image is there
	filled    bool            // the images for du have data
	hasGolden bool            // the image to clone is there
	hasDiff   bool            // the image that changed is there
	hasLarge  bool            // and the large ones
	snaps     int             // snapshots that the image with snapshots has
	verified  map[string]bool // contestants whose data were found to be right
	spaces    []string        // namespaces to remove
}

// newBench starts or finds the cluster, and builds what is not there.
func newBench(ctx context.Context, s settings) (b *bench, err error) {
	b = &bench{settings: s, pool: "bench", verified: map[string]bool{}, rbdfs: os.Getenv(envBinary)}
	if b.rbdfs == "" {
		b.rbdfs = "./rbdfs"
	}
	if b.rbdfs, err = filepath.Abs(b.rbdfs); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "rbdfs-bench-"); err != nil {
		return nil, err
	}
	b.image = filepath.Base(b.dir)
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) error {
	for _, name := range []string{"fio", "rbd", "rbd-fuse", "qemu-img", "qemu-storage-daemon", b.rbdfs} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%w; \"make build bench-deps\" installs what is missing", err)
		}
	}
	b.memfs = filepath.Join(b.dir, "memfs")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.memfs, "./tests/bench/memfs").CombinedOutput(); err != nil {
		return fmt.Errorf("build ./tests/bench/memfs: %w: %s", err, out)
	}
	if err := b.findCluster(ctx); err != nil {
		return err
	}
	var err error
	b.mountHelp, err = b.command(ctx, b.rbdfs, "mount", "--help")
	return err
}

// findCluster uses the real cluster that the environment names, or starts one.
func (b *bench) findCluster(ctx context.Context) (err error) {
	if conf := os.Getenv(envConf); conf != "" {
		if b.pool = os.Getenv(envPool); b.pool == "" {
			return fmt.Errorf("%s is set, and %s is not: which pool?", envConf, envPool)
		}
		b.ceph, err = cluster.FromConf(ctx, conf)
		return err
	}
	log.Print("starting a throwaway cluster")
	b.ceph, err = cluster.Start(ctx, cluster.Options{Dir: filepath.Join(b.dir, "cluster")})
	if err != nil {
		return err
	}
	return b.ceph.CreatePool(ctx, b.pool)
}

// close removes everything; what is in a cluster of ours goes with it.
func (b *bench) close() error {
	var errs []error
	if b.ceph != nil && !b.ceph.Owned() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		errs = append(errs, b.cleanPool(ctx))
	}
	if b.ceph != nil {
		errs = append(errs, b.ceph.Close())
	}
	if mounted(b.dir) {
		// Removing what is below a mount would remove images.
		return errors.Join(append(errs, fmt.Errorf("something is still mounted below %s", b.dir))...)
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// cleanPool removes what the benchmark made in a pool of somebody else's.
func (b *bench) cleanPool(ctx context.Context) error {
	out, err := b.ceph.RBD(ctx, "ls", b.pool)
	errs := []error{err}
	for _, image := range strings.Fields(out) {
		if strings.HasPrefix(image, b.image) {
			errs = append(errs, b.remove(ctx, b.pool, image))
		}
	}
	for _, space := range slices.Clone(b.spaces) {
		errs = append(errs, b.dropSpace(ctx, space))
	}
	return errors.Join(errs...)
}

// path is that of a scratch file.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// environ is that of everything that is started: one ceph.conf, and nothing
// that would point to another cluster, user or option.
func (b *bench) environ() []string {
	env := []string{"CEPH_CONF=" + b.ceph.Conf()}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CEPH_") {
			env = append(env, v)
		}
	}
	return env
}
