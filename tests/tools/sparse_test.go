package tools

import (
	"os"
	"path/filepath"
	"testing"
)

// The file of the copies: data at the start, at no boundary at all, in one whole
// object, across the border of two, and behind the last whole object.
const sparseSize = 33<<20 + 777

var sparseData = []extent{{0, 4096}, {5<<20 + 3, 70000}, {12 << 20, 4 << 20}, {24<<20 - 5000, 10000}, {33 << 20, 777}}

// copiers are the ways to copy a file; keepsHoles is what each is known for on
// any file system.
var copiers = []struct {
	name       string
	keepsHoles bool
	argv       []string // the two paths follow
}{
	{"cp", true, sh("cp --sparse=auto")},
	{"cp always", true, sh("cp --sparse=always")},
	{"cp never", false, sh("cp --sparse=never")},
	{"rsync", false, sh("rsync")},
	{"rsync -S", true, sh("rsync -S")},
	{"rsync inplace", false, sh("rsync --inplace")},
	{"rsync -S inplace", true, sh("rsync -S --inplace")},
	{"rsync -a", false, sh("rsync -a")},
	{"install", true, sh("install")},
	{"cat", false, script(`cat "$1" >"$2"`)},
	{"dd", false, script(`dd if="$1" of="$2" bs=1M status=none`)},
	{"dd sparse", true, script(`dd if="$1" of="$2" bs=64k conv=sparse status=none`)},
	{"dd direct", false, script(`dd if="$1" of="$2" bs=1M oflag=direct status=none`)},
	{"dd direct sparse", true, script(`dd if="$1" of="$2" bs=1M iflag=direct,fullblock conv=sparse,fsync status=none`)},
	{"tar -S", true, script(`tar -C "${1%/*}" --transform="s|.*|${2##*/}|" -Scf - "${1##*/}" | tar -C "${2%/*}" -Sxf -`)},
}

// script is a shell script that gets the arguments behind it.
func script(text string) []string { return []string{"sh", "-c", "set -e; " + text, "sh"} }

// TestCopyIn copies a file from another file system into the mount.
func TestCopyIn(t *testing.T) {
	check(t)
	need(t, "rsync")
	source := sparse(t, sparseSize, sparseData)
	for _, c := range copiers {
		t.Run(c.name, func(t *testing.T) {
			image := img(t, "copy-in")
			quiet(t, append(c.argv, source, image)...)
			wantSame(t, image, source)
			wantUsed(t, image, wantedUse(c.keepsHoles))
		})
	}
}

// TestCopyInside copies from one image to another.
func TestCopyInside(t *testing.T) {
	check(t)
	need(t, "rsync")
	source := sparse(t, sparseSize, sparseData)
	first := img(t, "copy-first")
	quiet(t, "cp", source, first)
	for _, c := range copiers {
		t.Run(c.name, func(t *testing.T) {
			image := img(t, "copy-inside")
			quiet(t, append(c.argv, first, image)...)
			wantSame(t, image, source)
			// cat uses copy_file_range(2) where it can: there, holes stay holes.
			wantUsed(t, image, wantedUse(c.keepsHoles || c.name == "cat"))
		})
	}
}

// TestCopyOut copies an image to another file system, which then uses no more
// than the image's objects where holes are kept.
func TestCopyOut(t *testing.T) {
	check(t)
	need(t, "rsync")
	source := sparse(t, sparseSize, sparseData)
	image := img(t, "copy-out")
	quiet(t, "cp", source, image)
	const slack = 64 << 10 // of the other file system's own
	for _, c := range copiers {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "out")
			quiet(t, append(c.argv, image, file)...)
			quiet(t, "cmp", file, source)
			got, want := allocated(t, file), wantedUse(c.keepsHoles)
			if c.keepsHoles && got > want+slack || !c.keepsHoles && got < want {
				t.Errorf("the copy uses %d bytes, and holes kept is %v: should be about %d", got, c.keepsHoles, want)
			}
		})
	}
}

// wantedUse is what a copy uses.
func wantedUse(keepsHoles bool) int64 {
	if keepsHoles {
		return objects(sparseSize, sparseData)
	}
	return sparseSize
}

// TestDenseImageBecomesSparse copies an image whose zeros were written: only what
// looks at the data finds them.
func TestDenseImageBecomesSparse(t *testing.T) {
	check(t)
	source := sparse(t, sparseSize, sparseData)
	dense, image := img(t, "dense"), img(t, "dense-copy")
	quiet(t, "cp", "--sparse=never", source, dense)
	quiet(t, "cp", "--sparse=always", dense, image)
	wantSame(t, image, source)
	wantUsed(t, image, objects(sparseSize, sparseData))
	quiet(t, "cp", "--sparse=auto", dense, image)
	wantSame(t, image, source)
	wantUsed(t, image, sparseSize)
}

// TestOverwriteInPlace writes into an image that has data already.
func TestOverwriteInPlace(t *testing.T) {
	check(t)
	need(t, "rsync")
	old, changed := sparse(t, 9<<20, []extent{{0, 9 << 20}}), sparse(t, 7<<20, []extent{{0, 1 << 20}, {6 << 20, 1 << 20}})
	image := img(t, "in-place")
	for _, argv := range [][]string{
		sh("cp"), sh("rsync --inplace --no-whole-file"), sh("install"), script(`cat "$1" >"$2"`),
	} {
		quiet(t, append(argv, old, image)...)
		wantSame(t, image, old)
		quiet(t, append(argv, changed, image)...)
		wantSame(t, image, changed)
	}
}

// TestTarTwice archives the same image twice: the archives are the same, small,
// and tar has nothing to say about either.
func TestTarTwice(t *testing.T) {
	check(t)
	source := sparse(t, sparseSize, sparseData)
	image := img(t, "tarred")
	quiet(t, "cp", source, image)
	dir := t.TempDir()
	var sums [2]string
	for i := range sums {
		archive := filepath.Join(dir, "archive")
		quiet(t, "tar", "-C", env.Mount.Dir, "-Scf", archive, "tarred")
		if size, most := stat(t, archive).Size, objects(sparseSize, sparseData)+64<<10; size > most {
			t.Errorf("the archive has %d bytes, should have %d at the most", size, most)
		}
		sums[i] = run(t, "sha256sum", archive)
	}
	if sums[0] != sums[1] {
		t.Errorf("the archives differ: %s and %s", sums[0], sums[1])
	}
	if err := os.Remove(image); err != nil {
		t.Fatal(err)
	}
	quiet(t, "tar", "-C", env.Mount.Dir, "-Sxf", filepath.Join(dir, "archive"))
	wantSame(t, image, source)
	wantUsed(t, image, objects(sparseSize, sparseData))
}
