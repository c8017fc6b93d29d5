// Package model compares an image's file on a real mount with an ordinary file:
// random operations run on both, and must answer alike.
//
// A world is two directories with the same files, one on the mount and one on a
// local file system (TMPDIR), which is the model. Each step runs one operation on
// both and compares what it returns: count, errno, bytes, file position. After
// each step sizes, link counts, inode numbers and times are compared. From time
// to time all bytes are, through a fresh handle, a mapping, or "rbd export" after
// an fsync, which sees what is on the OSDs.
//
// The model is opened without O_DIRECT, since local file systems want that
// aligned and rbdfs does not. Where data lies is no property of the file, so
// SEEK_DATA and SEEK_HOLE are compared by their meaning.
//
// The seed is printed. To run a failed case again, or to run for longer:
//
//	go test ./tests/model -run TestMixed -rapid.seed=N
//	go test ./tests/model -rapid.checks=500 -timeout 2h
package model

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"rbdfs/tests/harness"
)

// env has the mount. Its new images have small objects, so that small files
// have many, and growth, holes and zeroing meet their boundaries often.
var env *harness.Env

const objectSize = 64 << 10

// Defaults for rapid's flags and environment: cases a test, and steps a case.
const (
	defaultChecks = 16
	longChecks    = 320 // with RBDFS_LONG=1
	defaultSteps  = "100"
)

// steps counts the operations that ran.
var steps atomic.Int64

func TestMain(m *testing.M) {
	setDefault("rapid.checks", "RAPID_CHECKS", fmt.Sprint(harness.Long(defaultChecks, longChecks)))
	setDefault("rapid.steps", "RAPID_STEPS", defaultSteps)
	setDefault("rapid.seed", "RAPID_SEED", fmt.Sprint(rand.Uint32()))
	setDefault("rapid.nofailfile", "RAPID_NOFAILFILE", "true")
	args := []string{"--object-size", fmt.Sprint(objectSize)}
	harness.Main(m, harness.Setup{Options: harness.Options{Args: args}}, func(e *harness.Env) { env = e })
}

// setDefault changes the default of one of rapid's flags, which the environment
// and the command line overrule.
func setDefault(name, variable, value string) {
	if os.Getenv(variable) != "" {
		return
	}
	if err := flag.Set(name, value); err != nil {
		panic(err) // does not happen: rapid has the flag
	}
}

// config is a way to use files.
type config struct {
	direct func(*rapid.T) bool // whether to open with O_DIRECT
	maps   bool                // map files into memory
	limit  int64               // the largest file, in bytes
	layout func(*rapid.T) []string
	share  int // of the cases, for one that takes long; 0 for all
}

func never(*rapid.T) bool       { return false }
func always(*rapid.T) bool      { return true }
func sometimes(t *rapid.T) bool { return rapid.Bool().Draw(t, "O_DIRECT") }

// smallLimit is a few objects of new images.
const smallLimit = 5*objectSize + 1000

func TestBuffered(t *testing.T) {
	check(t, config{direct: never, maps: true, limit: smallLimit})
}

func TestDirect(t *testing.T) {
	check(t, config{direct: always, limit: smallLimit})
}

// TestMixed has handles with O_DIRECT, handles without and mappings on one file
// at the same time.
func TestMixed(t *testing.T) {
	check(t, config{direct: sometimes, maps: true, limit: smallLimit})
}

// TestLayouts starts from images that the rbd command made: striped, with large
// and with tiny objects, without an object map.
func TestLayouts(t *testing.T) {
	check(t, config{direct: sometimes, maps: true, limit: smallLimit, layout: drawLayout})
}

// TestLarge has requests larger than the kernel passes on as one (1 MiB), and
// objects of the usual size.
func TestLarge(t *testing.T) {
	usual := func(*rapid.T) []string { return []string{"--object-size", "4M"} }
	check(t, config{direct: sometimes, maps: true, limit: 9 << 20, layout: usual, share: 8})
}

// check runs the cases of one configuration.
func check(t *testing.T, c config) {
	env.Mount.Check(t)
	if c.share > 0 {
		lower(t, "rapid.checks", c.share)
	}
	before := steps.Load()
	seed := flag.Lookup("rapid.seed").Value
	t.Logf("model: seed %s", seed)
	rapid.Check(t, func(t *rapid.T) {
		debug.SetPanicOnFault(true) // a mapping that cannot be read fails the case
		w := newWorld(t, c)
		defer w.close(t)
		t.Repeat(w.actions())
		w.compareAll(t)
	})
	t.Logf("model: %d steps", steps.Load()-before)
}

// lower divides a number among rapid's flags until the end of the test.
func lower(t *testing.T, name string, by int) {
	value := flag.Lookup(name).Value
	all := value.String()
	n, err := strconv.Atoi(all)
	if err == nil {
		err = value.Set(strconv.Itoa((n + by - 1) / by))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = value.Set(all) })
}

// drawLayout draws arguments of "rbd create".
func drawLayout(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{
		{"--object-size", "4K"},
		{"--object-size", "4M"},
		{"--object-size", "64K", "--stripe-unit", "4K", "--stripe-count", "3"},
		{"--object-size", "16K", "--stripe-unit", "16K", "--stripe-count", "2"},
		{"--object-size", "16K", "--image-feature", "layering"},
		{"--object-size", "16K", "--image-feature", "layering,exclusive-lock"},
		{"--object-size", "32K", "--image-feature", "layering,exclusive-lock,object-map"},
		{"--object-size", "32K", "--image-feature", "exclusive-lock,journaling"},
	}).Draw(t, "layout")
}
