package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
)

// DefaultOSDSize is the size of the sparse file behind an OSD.
const DefaultOSDSize = 100 << 30

// Options says what Start makes. The zero value is a cluster of one OSD in a
// temporary folder.
type Options struct {
	// Dir is the folder of the cluster. It must be missing or empty. Without it
	// a temporary one is made.
	Dir string
	// OSDs is the number of OSDs, 1 by default. An erasure-coded pool of k+m
	// chunks needs k+m.
	OSDs int
	// OSDSize is the size in bytes of each OSD's sparse file, DefaultOSDSize by
	// default; small ones are for tests of a full cluster.
	OSDSize int64
	// Config is the end of ceph.conf: sections, each with its header.
	Config string
	// Keep leaves the folder behind at Close, for its logs.
	Keep bool
	// Logger gets a line for each step; nil for none.
	Logger *slog.Logger
}

// withDefaults fills in what the caller left out and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.OSDs == 0 {
		o.OSDs = 1
	}
	if o.OSDSize == 0 {
		o.OSDSize = DefaultOSDSize
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OSDs < 0 || o.OSDSize < 1<<30 {
		return o, fmt.Errorf("cluster of %d OSDs of %d bytes: at least 1 OSD of 1 GiB is needed", o.OSDs, o.OSDSize)
	}
	return o, checkPrograms("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-authtool", "monmaptool", "rbd")
}

// checkPrograms says which of the programs are not installed.
func checkPrograms(names ...string) error {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s; tests/install-deps installs them", strings.Join(missing, ", "))
	}
	return nil
}

// parallel runs all functions at once, ends the context of the others when
// one fails, and returns what the first one to fail said.
func parallel(ctx context.Context, fns ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	for _, fn := range fns {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := fn(ctx); err != nil {
				cancel(err)
			}
		}()
	}
	for range fns {
		<-done
	}
	return context.Cause(ctx)
}
