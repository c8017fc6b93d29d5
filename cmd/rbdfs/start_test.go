package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClaimDir(t *testing.T) {
	base := realTemp(t)
	empty, full, file := filepath.Join(base, "empty"), filepath.Join(base, "full"), filepath.Join(base, "file")
	for _, dir := range []string{empty, full, filepath.Join(full, "x")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]exitCode{
		filepath.Join(base, "none"):      exitDirMissing,
		filepath.Join(base, "none/none"): exitDirMissing,
		file:                             exitDirNotDir,
		filepath.Join(file, "x"):         exitDirNotDir,
		full:                             exitDirNotEmpty,
		"/proc":                          exitDirMounted,
		"/":                              exitDirMounted,
	} {
		_, err := claimDir(dir, false)
		if codeOf(err) != want {
			t.Errorf("%s: %v, code %d, not %d", dir, err, codeOf(err), want)
			continue
		}
		checkSentence(t, sentence(err)+"\n")
	}
	c, err := claimDir(empty, true)
	if err != nil || c.path != empty {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := claimDir(empty, false); codeOf(err) != exitDirMounted {
		t.Errorf("claimed twice: %v", err)
	}
	c.release()
	if c, err = claimDir(empty, false); err != nil {
		t.Fatal(err)
	}
	c.release()
}

func TestClaimDirThroughLinks(t *testing.T) {
	base := realTemp(t)
	if err := os.MkdirAll(filepath.Join(base, "a/b"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"l1": "a", "a/l2": "../l1/b", "loop": "loop", "l3": filepath.Join(base, "a/l2"), "dead": "none"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(base)
	for _, dir := range []string{"l3", "l1/l2", "a/b/", "./a/../l1/b"} {
		c, err := claimDir(dir, false)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if c.path != filepath.Join(base, "a/b") {
			t.Errorf("%s is %s", dir, c.path)
		}
		c.release()
	}
	for dir, want := range map[string]exitCode{"loop": exitDirUnusable, "dead": exitDirMissing} {
		if _, err := claimDir(dir, false); codeOf(err) != want {
			t.Errorf("%s: %v, code %d", dir, err, codeOf(err))
		}
	}
}

func TestDirFailureOfDeadMount(t *testing.T) {
	err := dirFailure("/mnt", &os.PathError{Op: "stat", Path: "/mnt", Err: unix.ENOTCONN})
	if codeOf(err) != exitDirStale || !strings.Contains(err.Error(), "--replace-stale") {
		t.Error(err)
	}
}

func TestWithin(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	began := time.Now()
	_, err := within(20*time.Millisecond, func() (int, error) { <-never; return 1, nil })
	if err != os.ErrDeadlineExceeded || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if n, err := within(time.Minute, func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Error(n, err)
	}
}

func TestCheckDevice(t *testing.T) {
	dir := t.TempDir()
	if err := checkDevice(filepath.Join(dir, "fuse")); codeOf(err) != exitFuseMissing {
		t.Errorf("missing: %v", err)
	}
	if err := checkDevice(dir); codeOf(err) != exitFuseMissing {
		t.Errorf("not openable: %v", err)
	}
	if err := checkDevice(os.DevNull); err != nil {
		t.Error(err)
	}
}

func TestUserAllowOther(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "fuse.conf")
	if userAllowOther(conf) {
		t.Error("a file that is missing allows")
	}
	for text, want := range map[string]bool{
		"#user_allow_other\n": false, "mount_max = 10\n  user_allow_other \n": true, "user_allow_other": true, "user_allow_others\n": false,
	} {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if userAllowOther(conf) != want {
			t.Errorf("%q", text)
		}
	}
}
