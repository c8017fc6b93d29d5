package tools

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// names can be given to a file, and the image then has the very name, or the one
// behind the arrow.
var names = []struct{ name, file, image string }{
	{"plain", "vm1", "vm1"},
	{"spaces", "  two words ", "  two words "},
	{"leading dot", ".hidden", ".hidden"},
	{"dots", "...", "..."},
	{"leading dash", "-rf", "-rf"},
	{"percent", "100%", "100%"},
	{"percent and other letters", "%zz%", "%zz%"},
	{"percent and digits", "Windows%2010.iso", "Windows%2010.iso"},
	{"percent of a URL", "100%25%41%2f", "100%25%41%2f"},
	{"escaped percent", "a%252Fb", "a%2Fb"},
	{"shell", "$HOME;`id`&|<>*?[]{}!~#'\"\\", "$HOME;`id`&|<>*?[]{}!~#'\"\\"},
	{"UTF-8", "größe-磁盘-💾", "größe-磁盘-💾"},
	{"invalid UTF-8", "\xff\xfe-\xc3", "\xff\xfe-\xc3"},
	{"control bytes", "\x01\t\n\x1b[31m\x7f", "\x01\t\n\x1b[31m\x7f"},
	{"255 bytes", strings.Repeat("x", 255), strings.Repeat("x", 255)},
	{"255 bytes of UTF-8", strings.Repeat("€", 85), strings.Repeat("€", 85)},
	{"reserved", "%2Esnap", ".snap"},
}

// TestNames makes, lists, renames and removes files of all sorts of names.
func TestNames(t *testing.T) {
	check(t)
	for _, n := range names {
		t.Run(n.name, func(t *testing.T) {
			want := random(t, 100)
			source, path := filepath.Join(t.TempDir(), "source"), img(t, n.file)
			if err := os.WriteFile(source, want, 0o600); err != nil {
				t.Fatal(err)
			}
			quiet(t, "cp", "--", source, path)
			wantBytes(t, "cp", path, want)
			wantListed(t, n.file, true)
			env.wantImage(t, n.image, true)
			plain := img(t, "renamed")
			quiet(t, "mv", "-T", "--", path, plain)
			wantListed(t, n.file, false)
			env.wantImage(t, n.image, false)
			quiet(t, "mv", "-T", "--", plain, path)
			wantBytes(t, "mv", path, want)
			quiet(t, "rm", "--", path)
			wantListed(t, n.file, false)
			env.wantImage(t, n.image, false)
		})
	}
}

// wantListed checks whether find lists a file.
func wantListed(t *testing.T, file string, want bool) {
	t.Helper()
	list := strings.Split(run(t, "find", env.Mount.Dir, "-mindepth", "1", "-printf", `%f\0`), "\x00")
	if got := slices.Contains(list, file); got != want {
		t.Errorf("find lists %q: %v, should be %v", list, got, want)
	}
}

// wantImage checks whether there is an image, by the rbd command.
func (e tools) wantImage(t *testing.T, image string, want bool) {
	t.Helper()
	if got := slices.Contains(e.images(t), jsonName(t, image)); got != want {
		t.Errorf("rbd ls has image %q: %v, should be %v", image, got, want)
	}
}

// images lists the pool by the rbd command.
func (e tools) images(t *testing.T) []string {
	t.Helper()
	out, err := e.Cluster.RBD(t.Context(), "ls", "--format", "json", "--pool", e.Pool)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("rbd ls: %v: %s", err, out)
	}
	return list
}

// jsonName is what a name becomes in JSON, where invalid UTF-8 is replaced.
func jsonName(t *testing.T, name string) string {
	t.Helper()
	quoted, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNamesOfRBD shows images that the rbd command has made.
func TestNamesOfRBD(t *testing.T) {
	check(t)
	for _, n := range names {
		if strings.HasPrefix(n.image, "-") {
			continue // the rbd command takes it for an option
		}
		t.Run(n.name, func(t *testing.T) {
			path := img(t, n.file)
			env.create(t, n.image)
			wantListed(t, n.file, true)
			quiet(t, "dd", "if=/dev/zero", "of="+path, "bs=1k", "count=1", "conv=notrunc", "status=none")
			if st := stat(t, path); st.Size != 4<<20 {
				t.Errorf("%d bytes", st.Size)
			}
		})
	}
}

// create makes an image of 4 MiB with the rbd command.
func (e tools) create(t *testing.T, image string) {
	t.Helper()
	if _, err := e.Cluster.RBD(t.Context(), "create", "--pool", e.Pool, "--image", image, "--size", "4M"); err != nil {
		t.Fatal(err)
	}
}

// TestNameWithSlash shows an image whose name no file can have. The rbd command
// makes one only by bringing an image back from the trash.
func TestNameWithSlash(t *testing.T) {
	check(t)
	env.create(t, "slash")
	id := strings.TrimSpace(run(t, "getfattr", "--only-values", "-n", "user.rbd.id", env.Mount.Path("slash")))
	for _, argv := range [][]string{
		{"trash", "mv", "--pool", env.Pool, "--image", "slash"},
		{"trash", "restore", "--pool", env.Pool, "--image-id", id, "--image", "a/b"},
	} {
		if _, err := env.Cluster.RBD(t.Context(), argv...); err != nil {
			t.Fatal(err)
		}
	}
	path := img(t, "a%2Fb")
	env.wantImage(t, "a/b", true)
	wantListed(t, "a%2Fb", true)
	quiet(t, "truncate", "-s", "5M", path)
	quiet(t, "mv", path, img(t, "no-slash"))
	env.wantImage(t, "no-slash", true)
	// This is how mv says EINVAL.
	refused(t, "to a subdirectory of itself", "mv", env.Mount.Path("no-slash"), path)
	quiet(t, "rm", env.Mount.Path("no-slash"))
}

// TestNameTooLong leaves an image out whose name no file can have, and says so.
func TestNameTooLong(t *testing.T) {
	check(t)
	long := strings.Repeat("y", 256)
	env.create(t, long)
	env.Mount.ExpectLog(t, "yyyy")
	t.Cleanup(func() {
		if _, err := env.Cluster.RBD(context.WithoutCancel(t.Context()), "rm", "--no-progress", "--pool", env.Pool, "--image", long); err != nil {
			t.Error(err)
		}
	})
	if out := run(t, "ls", "-A", env.Mount.Dir); strings.Contains(out, "yyyy") {
		t.Errorf("ls: %s", out)
	}
	refused(t, "File name too long", "stat", env.Mount.Path(long))
	refused(t, "File name too long", "touch", env.Mount.Path(long))
}

// TestNamesRefused are names that no new image can have.
func TestNamesRefused(t *testing.T) {
	check(t)
	for _, c := range []struct{ name, reason string }{
		{"a@b", "Invalid argument"},
		{"a%2Fb", "Invalid argument"},
	} {
		refused(t, c.reason, "touch", env.Mount.Path(c.name))
		refused(t, "No such file", "stat", env.Mount.Path(c.name))
	}
	for _, name := range []string{".snap", ".trash", ".group"} {
		path := env.Mount.Path(name)
		_, _, err := execute(t.Context(), "sh", "-c", `: >"$1"`, "sh", path)
		if err == nil {
			t.Errorf("a file called %s could be made", name)
		}
		env.wantImage(t, name, false)
	}
}
