// Package sanitize builds the C of the data path with a test program in the place
// of all that is around it, and runs that under the sanitizers of the C compiler:
// there is no kernel, no cluster and no Go in it.
//
// A program prints the seed of its random numbers; -seed repeats one.
package sanitize

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var seed = flag.String("seed", "", "seed of the programs' random numbers")

// programs are by the folder that they test, with what is linked. They include
// request.c and behind.c.
var programs = map[string][]string{
	"fs/loop":      {"testdata/looptest.c", "loop.c", "gate.c", "share.c"},
	"rbdio/librbd": {"testdata/behindtest.c", "direct.c"},
}

// sanitizers are values of -fsanitize, with the environment in which they end a
// program at the first thing that they find.
var sanitizers = map[string]string{
	"address,undefined": "ASAN_OPTIONS=detect_stack_use_after_return=1",
	"thread":            "TSAN_OPTIONS=halt_on_error=1",
}

// limit ends a program that hangs.
const limit = 4 * time.Minute

func TestSanitized(t *testing.T) {
	for folder, sources := range programs {
		seen(t, folder)
		for sanitizer, env := range sanitizers {
			t.Run(folder+"/"+sanitizer, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				try := filepath.Join(dir, "try.c")
				if err := os.WriteFile(try, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := build(filepath.Join(dir, "try"), sanitizer, try); err != nil {
					t.Skipf("the C compiler has no -fsanitize=%s: %v\n%s", sanitizer, err, out)
				}
				program := filepath.Join(dir, "program")
				var paths []string
				for _, s := range sources {
					paths = append(paths, filepath.Join("..", "..", folder, s))
				}
				if out, err := build(program, sanitizer, paths...); err != nil {
					t.Fatalf("build %v: %v\n%s", sources, err, out)
				}
				run(t, program, env)
			})
		}
	}
}

// seen looks at all C of a folder, so that go test does not take an old result for
// that of a change.
func seen(t *testing.T, folder string) {
	for _, pattern := range []string{"*.[ch]", "testdata/*.[ch]", "../../tests/sanitize/*.h", "../../rbdio/*.h"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", folder, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s has no %s: %v", folder, pattern, err)
		}
		for _, path := range paths {
			if _, err := os.Stat(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// build compiles and links C sources with a sanitizer.
func build(program, sanitizer string, sources ...string) ([]byte, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	args := []string{
		"-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-fno-omit-frame-pointer", "-pthread",
		"-fsanitize=" + sanitizer, "-fno-sanitize-recover=all", "-o", program,
	}
	return exec.Command(cc, append(args, sources...)...).CombinedOutput()
}

// run runs a program, which must end well. ThreadSanitizer of GCC 12 does not know
// all places where newer kernels may put a program, so its place is not random.
func run(t *testing.T, program, env string) {
	args := []string{program}
	if exec.Command("setarch", "-R", "true").Run() == nil {
		args = []string{"setarch", "-R", program}
	}
	if *seed != "" {
		args = append(args, *seed)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("it did not end in %v\n%s", limit, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(strings.TrimSpace(string(out)))
}
