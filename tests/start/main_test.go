package start

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rbdfs/tests/cluster"
)

// suite is what TestMain sets up for all tests; it does not change after.
var suite struct {
	program string
	cluster *cluster.Cluster
}

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// setUp builds the program, finds a cluster and runs the tests.
func setUp(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "rbdfs-start-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if suite.program, err = program(dir); err != nil {
		return 0, err
	}
	ctx := context.Background()
	if suite.cluster, err = cluster.FromEnv(ctx, cluster.Options{}); err != nil {
		return 0, err
	}
	defer suite.cluster.Close()
	return m.Run(), nil
}

// program returns the path of rbdfs, built in dir if need be.
func program(dir string) (string, error) {
	if path := os.Getenv("RBDFS_BIN"); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "rbdfs")
	out, err := exec.Command("go", "build", "-o", path, "rbdfs/cmd/rbdfs").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build rbdfs: %w: %s", err, out)
	}
	return path, nil
}
