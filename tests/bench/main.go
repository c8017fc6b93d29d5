// Bench measures rbdfs against what its user would otherwise pick, on a throwaway
// cluster: the contestants in turn, A B A B, in one run, and the ratio of their
// medians. Only the ratio means something on a machine that is not yours.
//
//	go run ./tests/bench [-runs N] [-size BYTES] [-data BYTES]
//
// It needs the program, built, as ./rbdfs or as RBDFS_BIN says.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"rbdfs/tests/cluster"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	var c config
	flag.IntVar(&c.runs, "runs", 5, "how often each contestant runs")
	flag.Int64Var(&c.size, "size", 4<<30, "size of the file, in bytes")
	flag.Int64Var(&c.data, "data", 1<<30, "how much of it is data, in bytes; the rest is holes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		log.Fatal(err)
	}
}

// config is what to measure with.
type config struct {
	runs       int
	size, data int64
}

// run starts a cluster, mounts a pool of it, and measures.
func run(ctx context.Context, c config) (err error) {
	dir, err := os.MkdirTemp("", "rbdfs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ceph, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(dir, "cluster")})
	if err != nil {
		return err
	}
	defer ceph.Close()
	const pool = "bench"
	if err := ceph.CreatePool(ctx, pool); err != nil {
		return err
	}
	mnt, unmount, err := mount(ctx, ceph, pool, dir)
	if err != nil {
		return err
	}
	defer unmount()
	return copyIn(ctx, c, ceph.Conf(), pool, mnt, filepath.Join(dir, "source"))
}

// mount mounts the pool with default options, until unmount is called.
func mount(ctx context.Context, ceph *cluster.Cluster, pool, dir string) (mnt string, unmount func(), err error) {
	mnt = filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		return "", nil, err
	}
	binary := os.Getenv("RBDFS_BIN")
	if binary == "" {
		binary = "./rbdfs"
	}
	if _, err := execute(ctx, binary, "mount", "--background", "--conf", ceph.Conf(), pool, mnt); err != nil {
		return "", nil, err
	}
	return mnt, func() {
		if _, err := execute(context.WithoutCancel(ctx), binary, "umount", mnt); err != nil {
			log.Print(err)
		}
	}, nil
}

// copyIn compares cp into a new file with rbd import into a new image.
func copyIn(ctx context.Context, c config, conf, pool, mnt, source string) error {
	if err := sparseFile(source, c.size, c.data); err != nil {
		return err
	}
	var cp, imported []time.Duration
	for i := range c.runs {
		took, err := execute(ctx, "cp", source, filepath.Join(mnt, fmt.Sprint("cp", i)))
		if err != nil {
			return err
		}
		cp = append(cp, took)
		image := fmt.Sprint("import", i)
		took, err = execute(ctx, "rbd", "--conf", conf, "import", "--no-progress", "--pool", pool, source, image)
		if err != nil {
			return err
		}
		imported = append(imported, took)
		fmt.Printf("run %d: cp %.2f s, rbd import %.2f s\n", i+1, cp[i].Seconds(), imported[i].Seconds())
		for _, name := range []string{fmt.Sprint("cp", i), image} {
			if _, err := execute(ctx, "rbd", "--conf", conf, "rm", "--no-progress", "--pool", pool, name); err != nil {
				return err
			}
		}
	}
	a, b := median(cp), median(imported)
	fmt.Printf("cp of %d MiB with %d MiB of data into a new file: %.2f s; rbd import: %.2f s; ratio %.2f (below 1: cp is faster)\n",
		c.size>>20, c.data>>20, a.Seconds(), b.Seconds(), a.Seconds()/b.Seconds())
	return nil
}

// execute runs a command to its end, and tells how long it took.
func execute(ctx context.Context, name string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s %q: %w", name, args, err)
	}
	return time.Since(start), nil
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
