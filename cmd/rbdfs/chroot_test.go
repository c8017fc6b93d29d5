package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInAChroot runs the tests of this package that look at what is mounted in
// a directory that is no mount point, as buildds have it for their root.
func TestInAChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for chroot")
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace of its own: %v: %s", err, out)
	}
	root, self := realTemp(t), realProgram(t)
	// The namespace ends with the last command, and takes its mounts with it. Its
	// copies of mounts of rbdfs would keep their daemons from ending.
	const script = `
		for m in $(awk '$3 == "fuse.rbdfs" { print $2 }' /proc/self/mounts); do umount --lazy "$m"; done
		for dir in $(ls -d /usr /lib* /bin /proc); do
			if [ -L "$dir" ]; then cp -a "$dir" "$1$dir"; else mkdir "$1$dir" && mount --rbind "$dir" "$1$dir" || exit 2; fi
		done
		mkdir "$1/tmp" && cp "$2" "$1/test" && exec chroot "$1" /test -test.count=1 -test.v -test.run "$3"
	`
	const some = "^(TestClaimDir|TestClaimDirThroughLinks|TestParseMounts)$"
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", root, self, some)
	cmd.Env = append(os.Environ(), "TMPDIR=/tmp")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestClaimDir (") {
		t.Errorf("%v\n%s", err, out)
	}
}

// realProgram is the path of this test's program.
func realProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		t.Fatal(err)
	}
	return self
}
