package fs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The README shows the errno table, a row for each entry.
func TestReadmeShowsTheErrnoTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for from, rule := range errnoTable {
		row := fmt.Sprintf("| %s | %s | %s |", unix.ErrnoName(from), unix.ErrnoName(rule.to), strings.ToLower(rule.level.String()))
		row = strings.ReplaceAll(row, "ENOTSUP", "EOPNOTSUPP") // one number on Linux, by the name that POSIX uses
		if !strings.Contains(string(readme), "\n"+row) {
			t.Errorf("the README has no row\n%s", row)
		}
	}
}
