package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each promise of docs/safety.md names a test that there is.
func TestPromisesHaveTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "safety.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| .* \\| `([^`]+)` (Test\\w+) \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 || len(rows) != strings.Count(string(page), "\n| ")-1 { // all but the head
		t.Fatalf("%d rows of docs/safety.md name a test", len(rows))
	}
	for _, row := range rows {
		if folder, name := row[1], row[2]; !hasTest(t, filepath.Join(root, folder), name) {
			t.Errorf("%s has no %s", folder, name)
		}
	}
}

// hasTest tells whether a folder has a test of that name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
