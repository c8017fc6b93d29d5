package main

import (
	"context"
	"path/filepath"
	"strconv"
)

// serveMemory is a go-fuse file system that answers from memory: what FUSE by
// itself costs.
func serveMemory(ctx context.Context, b *bench) (*served, error) {
	dir, err := b.mountPoint()
	if err != nil {
		return nil, err
	}
	daemon, err := b.daemon(ctx, dir, b.memfs, b.image, strconv.FormatInt(b.settings.image, 10), dir)
	if err != nil {
		return nil, err
	}
	return b.servedAt(filepath.Join(dir, b.image), daemon, func() error { return daemon.end(dir) }), nil
}
