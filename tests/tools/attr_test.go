package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kept is what cp -p and rsync -a keep of a file.
func kept(st syscall.Stat_t) string {
	return fmt.Sprintf("mode %o, owner %d:%d, %d bytes, mtime %d.%09d", st.Mode, st.Uid, st.Gid, st.Size, st.Mtim.Sec, st.Mtim.Nsec)
}

// aged makes a file with a mode, an owner and a time of its own.
func aged(t *testing.T) string {
	t.Helper()
	path := sparse(t, 5<<20, []extent{{1 << 20, 1000}})
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 1234, 2345); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2001, 2, 3, 4, 5, 6, 123456789, time.UTC)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAttributesAreKept copies a file with its attributes; another mount of the
// pool shows the same ones.
func TestAttributesAreKept(t *testing.T) {
	check(t)
	need(t, "rsync")
	source := aged(t)
	want := kept(stat(t, source))
	keepers := [][]string{
		sh("cp -p"), sh("cp -a"), sh("rsync -a"), sh("rsync -aS --inplace"),
		script(`tar -C "${1%/*}" --transform="s|.*|${2##*/}|" --format=posix -Scpf - "${1##*/}" | tar -C "${2%/*}" -Sxpf -`),
	}
	for i, argv := range keepers {
		image := img(t, fmt.Sprintf("attributes-%d", i))
		quiet(t, append(argv, source, image)...)
		if got := kept(stat(t, image)); got != want {
			t.Errorf("%s: %s; should be %s", strings.Join(argv, " "), got, want)
		}
	}
	other := filepath.Dir(remounted(t, "any"))
	for i := range keepers {
		name := fmt.Sprintf("attributes-%d", i)
		if got := kept(stat(t, filepath.Join(other, name))); got != want {
			t.Errorf("%s in another mount: %s; should be %s", name, got, want)
		}
	}
}

// TestInstallSetsAttributes is install(1) with a mode and an owner.
func TestInstallSetsAttributes(t *testing.T) {
	check(t)
	source, image := aged(t), img(t, "installed")
	quiet(t, "install", "--mode=0751", "--preserve-timestamps", source, image)
	st, from := stat(t, image), stat(t, source)
	if st.Mode&0o7777 != 0o751 || st.Mtim != from.Mtim || int(st.Uid) != os.Geteuid() {
		t.Errorf("installed: %s; source: %s", kept(st), kept(from))
	}
}

// TestSecondRsyncHasNothingToDo runs rsync -a again, and again into another
// mount: neither finds a difference.
func TestSecondRsyncHasNothingToDo(t *testing.T) {
	check(t)
	need(t, "rsync")
	source := aged(t)
	image := img(t, filepath.Base(source))
	for _, flags := range []string{"-a", "-aS", "-aS --inplace"} {
		argv := sh("rsync --itemize-changes "+flags, source)
		if first := run(t, append(argv, env.Mount.Dir+"/")...); !strings.Contains(first, filepath.Base(source)) {
			t.Errorf("rsync %s: the first run did not copy: %q", flags, first)
		}
		quiet(t, append(argv, env.Mount.Dir+"/")...)
		quiet(t, append(argv, "--checksum", env.Mount.Dir+"/")...)
		if flags == "-a" {
			quiet(t, append(argv, filepath.Dir(remounted(t, image))+"/")...)
		}
		if err := os.Remove(image); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTimesHoldStill reads an image in every way: that changes no time but the
// one of the last access.
func TestTimesHoldStill(t *testing.T) {
	check(t)
	image := img(t, "still")
	quiet(t, "cp", sparse(t, 9<<20, []extent{{0, 5 << 20}}), image)
	before := stat(t, image)
	for _, argv := range [][]string{sh("sha256sum"), sh("cp -t", t.TempDir()), sh("wc -c"), sh("stat"), sh("du")} {
		run(t, append(argv, image)...)
		after := stat(t, image)
		if after.Mtim != before.Mtim || after.Ctim != before.Ctim || after.Ino != before.Ino || after.Blocks != before.Blocks {
			t.Errorf("%s changed %+v to %+v", argv[0], before, after)
		}
	}
	other := stat(t, remounted(t, image))
	if other.Mtim != before.Mtim || other.Ino != before.Ino || other.Blocks != before.Blocks {
		t.Errorf("another mount shows %+v, this one %+v", other, before)
	}
}

// TestTouchAndChange are touch, chmod and chown, on an existing image and a new
// one.
func TestTouchAndChange(t *testing.T) {
	check(t)
	image := img(t, "touched")
	quiet(t, "touch", image)
	wantUsed(t, image, 0)
	if st := stat(t, image); st.Size != 0 || time.Since(time.Unix(st.Mtim.Sec, 0)) > time.Minute {
		t.Errorf("touched: %s", kept(st))
	}
	quiet(t, "touch", "-d", "2011-12-13T14:15:16.5Z", image)
	quiet(t, "chmod", "u=rx,g=w,o=", image)
	want := "mode 100520, owner 0:0, 0 bytes, mtime 1323785716.500000000"
	if os.Geteuid() == 0 {
		quiet(t, "chown", "77:88", image)
		want = strings.Replace(want, "0:0", "77:88", 1)
	} else {
		want = strings.Replace(want, "0:0", fmt.Sprintf("%d:%d", os.Geteuid(), os.Getegid()), 1)
	}
	for _, path := range []string{image, remounted(t, image)} {
		if got := kept(stat(t, path)); got != want {
			t.Errorf("%s: %s; should be %s", path, got, want)
		}
	}
	quiet(t, "touch", "-c", env.Mount.Path("not-there"))
	if _, err := os.Stat(env.Mount.Path("not-there")); !os.IsNotExist(err) {
		t.Errorf("touch -c made a file: %v", err)
	}
}
