package main

import (
	"context"
	"path/filepath"
)

// serveRBDFuse is Ceph's own rbd-fuse, with no image but this one.
func serveRBDFuse(ctx context.Context, b *bench) (*served, error) {
	dir, err := b.mountPoint()
	if err != nil {
		return nil, err
	}
	daemon, err := b.daemon(ctx, dir, "rbd-fuse", "-f", "-c", b.ceph.Conf(), "-p", b.pool, "-r", b.image, dir)
	if err != nil {
		return nil, err
	}
	return b.servedAt(filepath.Join(dir, b.image), daemon, func() error { return daemon.end(dir) }), nil
}
