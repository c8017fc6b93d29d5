package asan

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

var must = harness.Must

// binary is the program, in a folder that git ignores. Its name tells its threads from
// those of Ceph.
const binary = "asan.out/rbdfs"

func TestMain(m *testing.M) {
	if out, err := exec.Command("go", "build", "-asan", "-o", binary, "rbdfs/cmd/rbdfs").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build with -asan: %v\n%s", err, out)
		os.Exit(1)
	}
	for name, value := range map[string]string{
		harness.EnvBinary: binary,
		"ASAN_OPTIONS":    "detect_leaks=0", // Ceph's libraries keep what they have to the end
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}
