package main

import (
	"context"
	"fmt"
)

// serveLibrbd is librbd with no file system: fio has an engine for it.
func serveLibrbd(_ context.Context, b *bench) (*served, error) {
	return &served{target: b.librbdArgs(), stop: func() error { return nil }}, nil
}

// librbdEngine is fio's. Without --direct, which would turn off librbd's cache and
// not say so: the others have it too, behind O_DIRECT.
func librbdEngine(depth int) []string {
	return []string{"--ioengine=rbd", fmt.Sprintf("--iodepth=%d", depth)}
}

// librbdArgs name the image. The cluster is that of CEPH_CONF.
func (b *bench) librbdArgs() []string {
	return []string{"--clientname=admin", "--pool=" + b.pool, "--rbdname=" + b.image}
}
