package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// serveQemu is qemu-storage-daemon's export of the image over FUSE, a file that
// is mounted on a file.
func serveQemu(ctx context.Context, b *bench) (*served, error) {
	dir, err := b.mountPoint()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, b.image)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, err
	}
	daemon, err := b.daemon(ctx, path, "qemu-storage-daemon",
		"--blockdev", "driver=rbd,node-name=disk,pool="+b.pool+",image="+b.image+",conf="+b.ceph.Conf()+",discard=unmap",
		"--export", "type=fuse,id=export,node-name=disk,mountpoint="+path+",growable=on,writable=on")
	if err != nil {
		return nil, err
	}
	// As the file system of a guest does: librbd's cache is in write-through before.
	if err := flushOnce(path); err != nil {
		return nil, errors.Join(err, daemon.end(path))
	}
	return b.servedAt(path, daemon, func() error { return daemon.end(path) }), nil
}

// flushOnce has a file flushed. It writes a block's own bytes back before: qemu
// does not flush what was not written to.
func flushOnce(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4096)
	if _, err := f.ReadAt(block, 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(block, 0); err != nil {
		return err
	}
	return f.Sync()
}
