package tools

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/harness"
)

// The tests of what rbd-fuse gets wrong: a read error is the end of the file
// there, and a new file's bytes land in another image.

// reader is a program that reads an image from its beginning, and is held up by
// who takes what it has read.
type reader struct {
	argv []string // the image's path follows, and then that of a file to write
	cmd  *exec.Cmd
	out  io.ReadCloser
	errs bytes.Buffer
}

// start starts the program, and returns when it has read a part of the image.
func (r *reader) start(t *testing.T, image string) {
	t.Helper()
	argv := append(r.argv, image, filepath.Join(t.TempDir(), "out"))
	r.cmd = exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	r.cmd.Stderr = &r.errs
	r.cmd.Env = append(os.Environ(), "LC_ALL=C")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Cancel = func() error { return syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) }
	var err error
	if r.out, err = r.cmd.StdoutPipe(); err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r.out, make([]byte, 64<<10)); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, r.errs.String())
	}
}

// wantFailure takes what the program has left to write, and checks that it fails.
func (r *reader) wantFailure(t *testing.T) {
	t.Helper()
	rest, err := io.Copy(io.Discard, r.out)
	if err != nil {
		t.Error(err)
	}
	err = r.cmd.Wait()
	if err == nil {
		t.Errorf("%s: succeeded with %d bytes more, though it could not read its input", r.argv[0], rest)
	}
	if !strings.Contains(r.errs.String(), "Input/output error") {
		t.Errorf("%s: %v: %s; the reason should be an input/output error", r.argv[0], err, r.errs.String())
	}
	t.Logf("%s: %v: %s", r.argv[0], err, strings.TrimSpace(r.errs.String()))
}

// TestReadErrorIsNoEndOfFile cuts a mount off from the cluster while programs
// read: all of them fail. Who opens the image anew can read it.
func TestReadErrorIsNoEndOfFile(t *testing.T) {
	need(t, "qemu-img")
	const size = 64 << 20
	source, image := sparse(t, size, []extent{{0, size}}), img(t, "cut-off")
	quiet(t, "cp", source, image)
	m := env.Start(t, harness.Options{})
	m.ExpectLog(t, "blocklisted")
	path := m.Path("cut-off")
	readers := []*reader{
		{argv: script(`exec cp "$1" /dev/fd/1`)},
		{argv: script(`exec cat "$1"`)},
		{argv: script(`exec dd if="$1" bs=1M iflag=direct`)},
		{argv: script(`exec tar -C "${1%/*}" -cf - "${1##*/}"`)},
	}
	for _, r := range readers {
		r.start(t, path)
	}
	convert := startSlowConvert(t, path)
	blocklist(t, m, path)
	for _, r := range readers {
		r.wantFailure(t)
	}
	if err := convert.Wait(); err == nil {
		t.Errorf("qemu-img convert succeeded, though it could not read its input")
	} else if said := convert.Stderr.(*bytes.Buffer).String(); !strings.Contains(said, "Input/output error") {
		t.Errorf("qemu-img convert: %v: %s", err, said)
	}
	quiet(t, "cmp", path, source)
}

// startSlowConvert starts a qemu-img that takes a minute, so that a busy machine can cut
// the mount off meanwhile, and returns when it has read a part of the image.
func startSlowConvert(t *testing.T, image string) *exec.Cmd {
	t.Helper()
	out := filepath.Join(t.TempDir(), "converted")
	cmd := exec.CommandContext(t.Context(), "qemu-img", "convert", "-r", "1M", "-f", "raw", "-O", "raw", image, out)
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "qemu-img has not begun", func() bool {
		st, err := os.Stat(out)
		return err == nil && st.Sys().(*syscall.Stat_t).Blocks > 0
	})
	return cmd
}

// blocklist cuts a mount off: the cluster refuses its client from now on.
func blocklist(t *testing.T, m *harness.Mount, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	addr := run(t, "getfattr", "--only-values", "-n", "user.rbd.watchers", path)
	ceph := func(verb string) error {
		_, err := env.Cluster.Ceph(context.WithoutCancel(t.Context()), "osd", "blocklist", verb, addr)
		return err
	}
	if err := ceph("add"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ceph("rm"); err != nil {
			t.Error(err)
		}
	})
	// An OSD hears of it from the next client that knows: this one asks all that
	// have the image.
	rbd(t, path, "export", "--no-progress", "--path", filepath.Join(t.TempDir(), "exported"))
	_ = f.Close() // what it says is another test's matter
}

// TestNewFilesKeepTheirBytes makes many files at once, from several processes,
// of which each writes several at once: every file holds its own bytes.
func TestNewFilesKeepTheirBytes(t *testing.T) {
	check(t)
	const processes, files = 6, 8
	dir := t.TempDir()
	var names []string
	for p := range processes {
		for f := range files {
			name := fmt.Sprintf("new-%d-%d", p, f)
			names = append(names, name)
			img(t, name)
			content := bytes.Repeat([]byte(name+"\n"), 1000+p*5000+f*20000)
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan error)
	for p := range processes {
		go func() {
			_, stderr, err := execute(t.Context(), append(script(`cd "$1"
				for f in new-"$3"-*; do dd if="$f" of="$2/$f" bs=37k status=none & pids="$pids $!"; done
				for p in $pids; do wait $p || exit 1; done`), dir, env.Mount.Dir, fmt.Sprint(p))...)
			if err != nil {
				err = fmt.Errorf("%w: %s", err, stderr)
			}
			done <- err
		}()
	}
	for range processes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, name := range names {
		wantSame(t, env.Mount.Path(name), filepath.Join(dir, name))
	}
}
