package tools

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// write makes a file with a content, in one shell command.
func write(t *testing.T, path, content string) {
	t.Helper()
	quiet(t, append(script(`printf %s "$2" >"$1"`), path, content)...)
}

// wantContent checks what cat reads.
func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got := run(t, "cat", path); got != want {
		t.Errorf("%s holds %q, should hold %q", filepath.Base(path), got, want)
	}
}

// TestRm removes images: their names are gone at once, their data soon.
func TestRm(t *testing.T) {
	check(t)
	var paths []string
	for _, name := range []string{"rm-1", "rm-2", "rm-3"} {
		paths = append(paths, img(t, name))
		write(t, env.Mount.Path(name), name)
	}
	prefix := strings.TrimSpace(run(t, "getfattr", "--only-values", "-n", "user.rbd.block_name_prefix", paths[0]))
	quiet(t, append([]string{"rm"}, paths...)...)
	for _, path := range paths {
		env.wantImage(t, filepath.Base(path), false)
		refused(t, "No such file", "rm", path)
	}
	eventually(t, "the data of a removed image is still there", func() bool {
		list, err := env.Cluster.Rados(t.Context(), "--pool", env.Pool, "ls")
		if err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(list, prefix)
	})
	if list, err := env.Cluster.RBD(t.Context(), "trash", "ls", "--all", "--pool", env.Pool); err != nil || strings.Contains(list, "rm-1") {
		t.Errorf("the trash holds %q: %v", list, err)
	}
}

// TestRmWhileOpen goes on reading and writing an image that has no name.
func TestRmWhileOpen(t *testing.T) {
	check(t)
	image := img(t, "rm-open")
	quiet(t, append(script(`exec 3<>"$1"; printf one >&3; rm "$1"; ! test -e "$1"
		printf two >&3; test "$(cat /proc/self/fd/3)" = onetwo
		printf new >"$1"; test "$(cat "$1")" = new`), image)...)
	wantContent(t, image, "new")
}

// TestMv renames, over another image too.
func TestMv(t *testing.T) {
	check(t)
	a, b := img(t, "mv-a"), img(t, "mv-b")
	write(t, a, "from a")
	ino := stat(t, a).Ino
	quiet(t, "mv", a, b)
	env.wantImage(t, "mv-a", false)
	env.wantImage(t, "mv-b", true)
	wantContent(t, b, "from a")
	if now := stat(t, b).Ino; now != ino {
		t.Errorf("the inode number was %d and is %d", ino, now)
	}
	write(t, a, "second")
	quiet(t, "mv", "--no-clobber", a, b)
	wantContent(t, a, "second")
	wantContent(t, b, "from a")
	quiet(t, "mv", "--force", a, b)
	wantContent(t, b, "second")
	env.wantImage(t, "mv-a", false)
	write(t, a, "third")
	quiet(t, "mv", "--backup=simple", a, b)
	wantContent(t, b, "third")
	wantContent(t, img(t, "mv-b~"), "second")
}

// TestMvToAnotherFileSystem copies out and in, and removes.
func TestMvToAnotherFileSystem(t *testing.T) {
	check(t)
	source := sparse(t, 9<<20+5, []extent{{0, 10}, {8 << 20, 100}})
	copied, image := filepath.Join(t.TempDir(), "copied"), img(t, "mv-in")
	quiet(t, "cp", source, copied)
	quiet(t, "mv", copied, image)
	wantSame(t, image, source)
	wantUsed(t, image, 5<<20+5)
	quiet(t, "mv", image, copied)
	quiet(t, "cmp", copied, source)
	env.wantImage(t, "mv-in", false)
}

// TestSnapshotsKeepAnImage refuses to remove an image that has snapshots, or to
// replace it.
func TestSnapshotsKeepAnImage(t *testing.T) {
	check(t)
	env.Mount.ExpectLog(t, "snapshots")
	image, other := img(t, "has-snapshot"), img(t, "other")
	write(t, image, "kept")
	write(t, other, "other")
	rbd(t, image, "snap", "create", "--no-progress", "--snap", "s")
	refused(t, "Directory not empty", "rm", image)
	refused(t, "Directory not empty", "mv", "--force", other, image)
	wantContent(t, image, "kept")
	wantContent(t, other, "other")
	rbd(t, image, "snap", "rm", "--no-progress", "--snap", "s")
	quiet(t, "mv", "--force", other, image)
	wantContent(t, image, "other")
}

// TestWatcherKeepsAnImage refuses to remove an image that another client uses.
func TestWatcherKeepsAnImage(t *testing.T) {
	check(t)
	env.Mount.ExpectLog(t, "another client")
	image := img(t, "watched")
	write(t, image, "kept")
	watch := exec.Command("rbd", "--conf", env.Cluster.Conf(), "watch", "--pool", env.Pool, "--image", "watched")
	watch.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := watch.StdinPipe() // it ends with a line, or with the end of its input
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watch.Process.Kill(); _ = watch.Wait() })
	eventually(t, "nobody watches the image", func() bool {
		return strings.Contains(rbd(t, image, "status"), "watcher=")
	})
	refused(t, "Device or resource busy", "rm", image)
	wantContent(t, image, "kept")
	_ = pipe.Close()
	if err := watch.Wait(); err != nil {
		t.Fatal(err)
	}
	quiet(t, "rm", image)
}

// TestRefusedVerbs are what a pool of images has no place for.
func TestRefusedVerbs(t *testing.T) {
	check(t)
	const notPermitted, notSupported = "Operation not permitted", "not supported"
	image, dir := img(t, "refusing"), env.Mount.Dir
	write(t, image, "kept")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason string
		argv   []string
	}{
		{notPermitted, []string{"mkdir", dir + "/new"}},
		{notPermitted, []string{"ln", "-s", "refusing", dir + "/new"}},
		{"not supported", []string{"ln", image, dir + "/new"}},
		{"cross-device", []string{"ln", image, file + ".link"}},
		{notPermitted, []string{"mkfifo", dir + "/new"}},
		{"Not a directory", []string{"rmdir", image}},
		{notPermitted, []string{"cp", "-r", filepath.Dir(file), dir + "/new"}},
		{"are the same file", []string{"cp", image, image}},
		{"File exists", []string{"mkdir", image}},
		{notPermitted, []string{"chmod", "0777", dir}},
		{notPermitted, []string{"setfattr", "-n", "user.rbd.id", "-v", "x", image}},
		{notPermitted, []string{"setfattr", "-x", "user.rbd.features", image}},
		{notSupported, []string{"setfattr", "-n", "trusted.other", "-v", "x", image}},
		{"No such attribute", []string{"getfattr", "-n", "user.rbd.meta.none", image}},
		{"No such attribute", []string{"setfattr", "-x", "user.rbd.meta.none", image}},
	} {
		refused(t, c.reason, c.argv...)
	}
	wantContent(t, image, "kept")
	wantListed(t, "new", false)
}

// TestAttributes are getfattr and setfattr, compared with the rbd command.
func TestAttributes(t *testing.T) {
	check(t)
	need(t, "getfattr", "setfattr")
	image := img(t, "attributes")
	write(t, image, "x")
	get := func(name string) string {
		t.Helper()
		return run(t, "getfattr", "--only-values", "-n", "user.rbd."+name, image)
	}
	info := rbd(t, image, "info", "--format", "json")
	for key, value := range map[string]string{
		`"id":"` + get("id") + `"`:                                   info,
		`"object_size":` + get("object_size") + `,`:                  info,
		`"block_name_prefix":"` + get("block_name_prefix") + `"`:     info,
		`"` + strings.ReplaceAll(get("features"), ",", `","`) + `"]`: info,
	} {
		if !strings.Contains(value, key) {
			t.Errorf("rbd info does not have %s: %s", key, value)
		}
	}
	if all := run(t, "getfattr", "--absolute-names", "-d", "-m", "-", image); all != "" {
		t.Errorf("what cannot be copied is listed: %s", all)
	}
	quiet(t, "setfattr", "-n", "user.rbd.meta.owner", "-v", "alice & bob", image)
	if got := strings.TrimSpace(meta(t, "get", image, "owner")); got != "alice & bob" {
		t.Errorf("rbd image-meta get: %q", got)
	}
	meta(t, "set", image, "from rbd", "v")
	if got := get("meta.from rbd"); got != "v" {
		t.Errorf("getfattr of what rbd image-meta has set: %q", got)
	}
	quiet(t, "setfattr", "-x", "user.rbd.meta.owner", image)
	if list := meta(t, "list", image); strings.Contains(list, "alice") {
		t.Errorf("setfattr -x left %s", list)
	}
	quiet(t, append(sh("cp --preserve=all"), image, filepath.Join(t.TempDir(), "copy"))...)
}

// meta is "rbd image-meta", which takes the image as a spec only.
func meta(t *testing.T, verb, path string, more ...string) string {
	t.Helper()
	args := append([]string{"image-meta", verb, env.Pool + "/" + filepath.Base(path)}, more...)
	out, err := env.Cluster.RBD(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWatchers names who has the image open for writing.
func TestWatchers(t *testing.T) {
	check(t)
	need(t, "getfattr")
	image := img(t, "watchers")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	addr := run(t, "getfattr", "--only-values", "-n", "user.rbd.watchers", image)
	if status := rbd(t, image, "status"); addr == "" || !strings.Contains(status, "watcher="+addr) {
		t.Errorf("user.rbd.watchers is %q, rbd status: %s", addr, status)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The kernel tells of the last close after close(2) has returned.
	eventually(t, "a closed image has a watcher", func() bool {
		return run(t, "getfattr", "--only-values", "-n", "user.rbd.watchers", image) == ""
	})
}

// TestAppend is the shell's >>, from several processes.
func TestAppend(t *testing.T) {
	check(t)
	image := img(t, "appended")
	quiet(t, append(script(`
		: >"$1"
		for i in 1 2 3 4; do (for j in $(seq 50); do echo $i >>"$1"; done) & done
		wait`), image)...)
	got := []byte(run(t, "cat", image))
	for _, line := range []string{"1\n", "2\n", "3\n", "4\n"} {
		if n := bytes.Count(got, []byte(line)); n != 50 {
			t.Errorf("%d lines %q, should be 50", n, line)
		}
	}
	if len(got) != 400 {
		t.Errorf("%d bytes, should be 400", len(got))
	}
}
