package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// rbdfsMount is rbdfs with some arguments.
type rbdfsMount struct {
	name string
	args []string
}

// rbdfsMounts are ways to mount that are compared with each other. One whose
// flag the program does not have is left out.
var rbdfsMounts = []rbdfsMount{
	{"rbdfs", nil},
	{"rbdfs Go only", []string{"--data-path=go"}},
}

// mounts are those of rbdfsMounts that the program has.
func (b *bench) mounts() []rbdfsMount {
	var found []rbdfsMount
	for _, m := range rbdfsMounts {
		if flag, _, _ := strings.Cut(strings.Join(m.args, " "), "="); strings.Contains(b.mountHelp, flag) {
			found = append(found, m)
		}
	}
	return found
}

// serve mounts the pool, and serves the image in it.
func (m rbdfsMount) serve(ctx context.Context, b *bench) (*served, error) {
	mnt, err := m.mount(ctx, b, b.pool)
	if err != nil {
		return nil, err
	}
	return b.servedAt(mnt.path(b.image), mnt.daemon, mnt.stop), nil
}

// mounting is a pool that is mounted.
type mounting struct {
	dir    string
	daemon *process
}

// path is that of a file in it.
func (m *mounting) path(name string) string { return filepath.Join(m.dir, name) }

// stop unmounts.
func (m *mounting) stop() error { return m.daemon.end(m.dir) }

// mount mounts POOL[/NAMESPACE].
func (m rbdfsMount) mount(ctx context.Context, b *bench, pool string) (*mounting, error) {
	dir, err := b.mountPoint()
	if err != nil {
		return nil, err
	}
	argv := []string{b.rbdfs, "mount", "--conf", b.ceph.Conf()}
	argv = append(append(argv, m.args...), strings.Fields(os.Getenv(envMountArgs))...)
	daemon, err := b.daemon(ctx, dir, append(argv, pool, dir)...)
	return &mounting{dir, daemon}, err
}
