// Package tools runs the programs that people use on files, on a real mount of a
// real cluster, and compares what they left there with what the rbd command and
// an ordinary file system say.
package tools

import (
	"testing"

	"rbdfs/tests/harness"
)

var (
	need   = harness.Need
	random = harness.Random
)

// tools is what the tests of this folder run on, with what they ask the cluster.
type tools struct{ *harness.Env }

// env has the mount of all tests in this folder.
var env tools

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = tools{e} })
}
