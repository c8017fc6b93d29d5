package tools

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// attributed makes a file outside of the mount that has attributes of its own.
func attributed(t *testing.T) (path, attributes string) {
	t.Helper()
	need(t, "getfattr", "setfattr")
	path = aged(t)
	for name, value := range map[string]string{
		"user.mime_type": "application/x-raw-disk-image", "user.DOSATTRIB": "0x0000050000", "user.rbd.meta.owner": "alice & bob",
	} {
		quiet(t, "setfattr", "-n", name, "-v", value, path)
	}
	return path, dumped(t, path)
}

// dumped is what getfattr says of a file, without its name.
func dumped(t *testing.T, path string) string {
	t.Helper()
	text := run(t, "getfattr", "--absolute-names", "-d", "-m", "-", path)
	_, text, _ = strings.Cut(text, "\n")
	return strings.TrimSpace(text)
}

// carriers are the programs that copy a file with its attributes. None may have
// anything to say.
var carriers = [][]string{
	sh("rsync -aX"), sh("rsync -aXS --inplace"), sh("cp -a"), sh("cp --preserve=all"),
	script(`tar -C "${1%/*}" --xattrs --xattrs-include='*' --transform="s|.*|${2##*/}|" --format=posix -Scpf - "${1##*/}" |
		tar -C "${2%/*}" --xattrs --xattrs-include='*' -Sxpf -`),
	script(`cp -a -- "$1" "$1.moved" && mv -- "$1.moved" "$2"`),
}

// TestAttributesAreCarried copies a file with attributes of its own into the mount,
// inside of it, and out again.
func TestAttributesAreCarried(t *testing.T) {
	check(t)
	need(t, "rsync")
	for i, argv := range carriers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			source, want := attributed(t)
			from := source
			for _, to := range []string{img(t, fmt.Sprint("in", i)), img(t, fmt.Sprint("inside", i)), filepath.Join(t.TempDir(), "out")} {
				quiet(t, append(argv, from, to)...)
				if got := dumped(t, to); got != want {
					t.Errorf("%s: %s has %s, want %s", strings.Join(argv, " "), to, got, want)
				}
				if got, want := kept(stat(t, to)), kept(stat(t, source)); got != want {
					t.Errorf("%s: %s: %s; should be %s", strings.Join(argv, " "), to, got, want)
				}
				from = to
			}
			quiet(t, "cmp", source, from)
		})
	}
}

// TestSecondRsyncOfAttributesHasNothingToDo finds no difference, and takes away what
// the source has no more.
func TestSecondRsyncOfAttributesHasNothingToDo(t *testing.T) {
	check(t)
	need(t, "rsync")
	source, _ := attributed(t)
	image := img(t, "again")
	quiet(t, "rsync", "-aX", source, image)
	quiet(t, "rsync", "-aX", "--itemize-changes", source, image)
	quiet(t, "setfattr", "-x", "user.mime_type", source)
	if out := run(t, "rsync", "-aX", "--itemize-changes", source, image); !strings.Contains(out, "x "+filepath.Base(source)) {
		t.Errorf("rsync says %q", out)
	}
	if got := dumped(t, image); got != dumped(t, source) {
		t.Errorf("the image has %s", got)
	}
	// What the image is answers by name, and cannot be set, to what it is neither.
	id := run(t, "getfattr", "--only-values", "-n", "user.rbd.id", image)
	refused(t, "Operation not permitted", "setfattr", "-n", "user.rbd.id", "-v", id, image)
}
