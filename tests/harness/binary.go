package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// EnvBinary names the rbdfs program to test.
const EnvBinary = "RBDFS_BIN"

// builder builds the program once in a process.
type builder struct {
	once sync.Once
	path string
	dir  string // to be removed; empty for a program that was given
	err  error
}

// binary returns the path of the program.
func (b *builder) binary(ctx context.Context) (string, error) {
	b.once.Do(func() { b.err = b.build(ctx) })
	return b.path, b.err
}

func (b *builder) build(ctx context.Context) (err error) {
	if path := os.Getenv(EnvBinary); path != "" {
		if b.path, err = filepath.Abs(path); err != nil {
			return err
		}
		_, err = os.Stat(b.path)
		return err
	}
	if b.dir, err = os.MkdirTemp("", "rbdfs-bin-"); err != nil {
		return err
	}
	b.path = filepath.Join(b.dir, "rbdfs")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.path, "rbdfs/cmd/rbdfs").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build rbdfs: %w: %s", err, out)
	}
	return nil
}

// remove removes what was built.
func (b *builder) remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}
