package tools

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rbdfs/tests/harness"
)

// namespace is a mount namespace of its own for a test that mounts what is in an
// image. It belongs to one thread, and the kernel unmounts all in it when that
// ends: with the test, or with the process, whatever ended it.
type namespace struct {
	t    *testing.T
	work chan func()
	held map[string]*os.File // loop devices, by path
}

// newNamespace makes a namespace that ends with the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	ns := &namespace{t: t, work: make(chan func()), held: map[string]*os.File{}}
	started, ended := make(chan error), make(chan struct{})
	go ns.serve(started, ended)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(ns.work)
		<-ended
	})
	return ns
}

// serve runs commands on a thread that is in the namespace. The goroutine never
// unlocks it, so that the thread ends with it.
func (ns *namespace) serve(started chan<- error, ended chan<- struct{}) {
	defer close(ended)
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		// What is unmounted outside is to go here, too, but not the other way.
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	}
	if err == nil {
		_, _, err = execute(ns.t.Context(), "sh", "-c", "keep="+env.Mount.Dir+harness.Apart)
	}
	started <- err
	for f := range ns.work {
		f()
	}
}

// run runs a command in the namespace that must succeed.
func (ns *namespace) run(argv ...string) {
	ns.t.Helper()
	var stdout, stderr string
	var err error
	done := make(chan struct{})
	ns.work <- func() {
		defer close(done)
		stdout, stderr, err = execute(ns.t.Context(), argv...)
	}
	<-done
	if err != nil {
		ns.t.Fatalf("%s: %v: %s%s", strings.Join(argv, " "), err, stdout, stderr)
	}
}

// mount mounts a device in the namespace, and returns where.
func (ns *namespace) mount(dev, options string) string {
	ns.t.Helper()
	dir := filepath.Join(ns.t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		ns.t.Fatal(err)
	}
	ns.run("mount", "-t", "ext4", "-o", options, dev, dir)
	return dir
}

// unmount undoes mount.
func (ns *namespace) unmount(dir string) {
	ns.t.Helper()
	ns.run("umount", dir)
}
