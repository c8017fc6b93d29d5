package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutation takes one thing out that a promise rests on.
type mutation struct {
	name    string
	promise string // that does not hold then
	file    string
	find    string // stands in file once, and gives way to
	replace string
	pkg     string
	test    string // -run of go test: the test that fails then
	cluster bool   // the test needs a cluster
}

// tree is a copy of the source, so that the user's own is never touched.
type tree struct{ dir string }

// newTree copies all files that git knows, or would add.
func newTree() (*tree, error) {
	dir, err := os.MkdirTemp("", "rbdfs-mutants-")
	if err != nil {
		return nil, err
	}
	copies := exec.Command("sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar -c --null -T - --ignore-failed-read -f - | tar -x -C "$1" -f -`, "sh", dir)
	copies.Stderr = os.Stderr
	if err := copies.Run(); err != nil {
		return nil, fmt.Errorf("copy the tree: %w", err)
	}
	return &tree{dir}, nil
}

func (t *tree) remove() { _ = os.RemoveAll(t.dir) }

// apply makes a mutation; undo takes it back.
func (t *tree) apply(m mutation) (undo func() error, err error) {
	path := filepath.Join(t.dir, m.file)
	was, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	now, err := m.mutate(string(was))
	if err != nil {
		return nil, err
	}
	return func() error { return os.WriteFile(path, was, 0o600) }, os.WriteFile(path, []byte(now), 0o600)
}

// mutate returns what a mutation makes of its file.
func (m mutation) mutate(text string) (string, error) {
	if n := strings.Count(text, m.find); n != 1 {
		return "", fmt.Errorf("%s has %d places with %q, want 1", m.file, n, m.find)
	}
	return strings.Replace(text, m.find, m.replace, 1), nil
}

// result is what a run of tests printed, and its error.
type result struct {
	out string
	err error
}

// test runs the test of a mutation, or all of its package. What hangs has failed.
func (t *tree) test(m mutation, all bool) result {
	args := []string{"test", "-count=1", "-vet=off", "-timeout=3m"}
	if !all {
		args = append(args, "-run", m.test)
	}
	cmd := exec.Command(filepath.Join(t.dir, "tests", "go"), append(args, "./"+m.pkg)...)
	cmd.Dir = t.dir
	// A path-independent build, so that the copies share what is built.
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath")
	out, err := cmd.CombinedOutput()
	return result{string(out), err}
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^panic: test timed out after.*\n\s*running tests:\n\s*(\S+)|^\s*rbdfs/\S+\.(Test[^.(]+)[.(]`)

// failed returns the tests that failed, or hung, or were in a panic.
func (r result) failed() []string {
	var names []string
	for _, match := range failedTest.FindAllStringSubmatch(r.out, -1) {
		names = append(names, match[1]+match[2]+match[3])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r result) names() string { return strings.Join(r.failed(), ", ") }

// tail returns the end of the output.
func (r result) tail() string { return r.out[max(0, len(r.out)-2000):] }
