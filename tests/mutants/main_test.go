package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each mutation can still be made: the code that it changes has not moved.
func TestMutationsApply(t *testing.T) {
	names := make(map[string]bool)
	for _, m := range mutations {
		if names[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		names[m.name] = true
		text, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if now, err := m.mutate(string(text)); err != nil {
			t.Errorf("%s: %v", m.name, err)
		} else if now == string(text) {
			t.Errorf("%s changes nothing", m.name)
		}
	}
}

// Each mutation names a test that there is.
func TestMutationsNameTests(t *testing.T) {
	for _, m := range mutations {
		name, _, _ := strings.Cut(m.test, "/")
		paths, err := filepath.Glob(filepath.Join("..", "..", m.pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "func "+name+"(t ")
		}
		if !found {
			t.Errorf("%s: %s has no test %s", m.name, m.pkg, name)
		}
	}
}

func TestFailedTestsAreFound(t *testing.T) {
	for out, want := range map[string]string{
		"--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\nFAIL\n":                       "TestA, TestA/b",
		"panic: test timed out after 3m0s\n\trunning tests:\n\t\tTestA (3m0s)\n":               "TestA",
		"panic: x\n\ngoroutine 7 [running]:\nrbdfs/rbdio_test.TestA.func1(0x1)\n\tfile.go:1\n": "TestA",
		"# rbdfs/rbdio\nfile.go:1: undefined: x\nFAIL\trbdfs/rbdio [build failed]\n":           "",
	} {
		if got := (result{out: out}).names(); got != want {
			t.Errorf("of %q failed %q, want %q", out, got, want)
		}
	}
}
