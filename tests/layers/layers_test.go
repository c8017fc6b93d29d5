// Package layers holds the rules for what may import what, as the folder table
// of the design gives them:
//
//	cmd → fs → snapshots → rbdio ← rbdio/librbd
//
// It reads every Go file's imports by itself, whatever its build tags, and the
// headers that C code includes.
package layers

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "rbdfs"

// layer says what the packages in a folder and below may import of this module.
// The longest folder that fits a package counts.
type layer struct {
	folder string
	may    []string // "x/..." is x and all below
}

var layers = []layer{
	{"cmd", []string{"fs/...", "snapshots", "rbdio", "rbdio/librbd"}},
	{"fs", []string{"fs/...", "snapshots", "rbdio"}},
	{"snapshots", []string{"rbdio"}},
	{"rbdio", nil},
	{"rbdio/librbd", []string{"rbdio"}},
	{"rbdio/memrbd", []string{"rbdio"}},
	{"tests", []string{"tests/..."}},
}

// testsMay is what a test may import on top of its package's layer, beside the
// package itself: a pool in memory and a real one, which no program may have.
var testsMay = []string{"rbdio", "rbdio/memrbd", "tests/cluster"}

// owner is the folders that alone may use something: a module, a package or a
// C header. Tests are free to, unless it says so.
type owner struct {
	what     string
	folders  []string
	testsToo bool
}

var owners = []owner{
	{"github.com/ceph/go-ceph", []string{"rbdio/librbd"}, true},
	{"<rbd", []string{"rbdio/librbd"}, true},
	{"<rados", []string{"rbdio/librbd"}, true},
	{"github.com/hanwen/go-fuse", []string{"fs/...", "tests/bench/memfs"}, false},
	{"gonum.org/v1", []string{"tests/bench"}, true},
	{"github.com/alecthomas/kong", []string{"cmd/..."}, false},
	{"testing", []string{"tests/..."}, false},
}

// use is one import, or one include of a C header, in a file.
type use struct {
	file string // relative to the module, with slashes
	what string // import path, or "<header.h>"
}

// check says what is wrong with a use, "" if nothing.
func (u use) check() string {
	folder, test := path.Dir(u.file), strings.HasSuffix(u.file, "_test.go")
	for _, o := range owners {
		isIt := u.what == o.what || strings.HasPrefix(u.what, o.what+"/")
		if isIt && (o.testsToo || !test) && !fits(folder, o.folders) {
			return fmt.Sprintf("%s: %s is for %v alone", u.file, u.what, o.folders)
		}
	}
	inner, ok := strings.CutPrefix(u.what, module+"/")
	if !ok {
		return ""
	}
	may, known := layerOf(folder)
	if test {
		may = append(slices.Clone(may), testsMay...)
		may = append(may, folder)
	}
	switch {
	case !known:
		return fmt.Sprintf("%s: folder %s is in no layer; the list is in tests/layers", u.file, folder)
	case !fits(inner, may):
		return fmt.Sprintf("%s: imports %s; its layer may import %v", u.file, u.what, may)
	}
	return ""
}

// layerOf finds what a folder may import.
func layerOf(folder string) (may []string, known bool) {
	best := ""
	for _, l := range layers {
		if fits(folder, []string{l.folder + "/..."}) && len(l.folder) >= len(best) {
			best, may, known = l.folder, l.may, true
		}
	}
	return may, known
}

// fits says whether a folder is among the patterns.
func fits(folder string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		root, below := strings.CutSuffix(p, "/...")
		return folder == root || below && strings.HasPrefix(folder, root+"/")
	})
}

// include finds the C headers in a file, or in the comment above import "C".
var include = regexp.MustCompile(`(?m)^\s*(?://\s*)?#\s*include\s*(<[^>]+>)`)

// usesOf reads one file.
func usesOf(root, file string) ([]use, error) {
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	var uses []use
	if path.Ext(file) == ".go" {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, data, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, spec := range parsed.Imports {
			what, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			uses = append(uses, use{file, what})
		}
	}
	for _, m := range include.FindAllSubmatch(data, -1) {
		uses = append(uses, use{file, string(m[1])})
	}
	return uses, nil
}

// allUses reads the whole module.
func allUses(root string) ([]use, error) {
	var all []use
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.Contains([]string{".go", ".c", ".h"}, path.Ext(file)) {
			return nil
		}
		uses, err := usesOf(root, file)
		all = append(all, uses...)
		return err
	})
	return all, err
}

// TestLayers checks every file of the module.
func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	uses, err := allUses(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(uses) < 50 {
		t.Fatalf("only %d imports found: the check looks in the wrong place", len(uses))
	}
	for _, u := range uses {
		if wrong := u.check(); wrong != "" {
			t.Error(wrong)
		}
	}
}

// TestCheckFails: the check has something against what the rules forbid.
func TestCheckFails(t *testing.T) {
	for _, tc := range []struct {
		file, what string
		allowed    bool
	}{
		{"cmd/rbdfs/main.go", "rbdfs/fs", true},
		{"cmd/rbdfs/main.go", "rbdfs/rbdio/librbd", true},
		{"cmd/rbdfs/main.go", "rbdfs/rbdio/memrbd", false},
		{"cmd/rbdfs/main.go", "rbdfs/tests/cluster", false},
		{"cmd/rbdfs/main.go", "github.com/alecthomas/kong", true},
		{"cmd/rbdfs/main.go", "github.com/hanwen/go-fuse/v2/fs", false},
		{"fs/root.go", "github.com/hanwen/go-fuse/v2/fs", true},
		{"fs/loop/loop.go", "github.com/hanwen/go-fuse/v2/fuse", true},
		{"fs/root.go", "rbdfs/rbdio/librbd", false},
		{"fs/root.go", "rbdfs/cmd/rbdfs", false},
		{"fs/root.go", "testing", false},
		{"fs/root.go", "testing/iotest", false},
		{"fs/root.go", "rbdfs/rbdio/memrbd", false},
		{"fs/root_test.go", "rbdfs/rbdio/memrbd", true},
		{"fs/root_test.go", "rbdfs/rbdio/librbd", false},
		{"rbdio/librbd/pool_test.go", "rbdfs/tests/cluster", true},
		{"rbdio/librbd/pool.go", "rbdfs/tests/cluster", false},
		{"fs/root_test.go", "rbdfs/fs", true},
		{"fs/loop/loop.c", "<rbd/librbd.h>", false},
		{"fs/loop/loop.c", "<linux/fuse.h>", true},
		{"snapshots/tree.go", "rbdfs/rbdio", true},
		{"snapshots/tree.go", "rbdfs/fs", false},
		{"rbdio/pool.go", "rbdfs/rbdio/librbd", false},
		{"rbdio/pool.go", "rbdfs/snapshots", false},
		{"rbdio/pool.go", "github.com/ceph/go-ceph/rbd", false},
		{"rbdio/librbd/pool.go", "github.com/ceph/go-ceph/rbd", true},
		{"rbdio/librbd/pool.go", "rbdfs/rbdio", true},
		{"rbdio/librbd/pool.go", "rbdfs/rbdio/memrbd", false},
		{"rbdio/librbd/zeroes.c", "<rbd/librbd.h>", true},
		{"tests/model/model_test.go", "rbdfs/tests/cluster", true},
		{"tests/model/model_test.go", "github.com/hanwen/go-fuse/v2/posixtest", true},
		{"tests/model/model_test.go", "github.com/ceph/go-ceph/rbd", false},
		{"tests/model/model_test.go", "rbdfs/fs", false},
		{"elsewhere/x.go", "rbdfs/rbdio", false},
		{"rbdio/pool.go", "os", true},
	} {
		wrong := use{tc.file, tc.what}.check()
		if (wrong == "") != tc.allowed {
			t.Errorf("%s imports %s: %q", tc.file, tc.what, wrong)
		}
	}
}

// TestUsesOf: imports and includes are found where they can stand.
func TestUsesOf(t *testing.T) {
	const src = "//go:build never\n\npackage x\n\n// # include <rbd/librbd.h>\n/*\n#include <rados/librados.h>\n*/\nimport \"C\"\nimport y \"os\"\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	uses, err := allUses(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []use{{"x.go", "C"}, {"x.go", "os"}, {"x.go", "<rbd/librbd.h>"}, {"x.go", "<rados/librados.h>"}}
	if !slices.Equal(uses, want) {
		t.Errorf("found %v, want %v", uses, want)
	}
}
