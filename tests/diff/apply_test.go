package diff

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
	"rbdfs/tests/content"
)

// Exit codes of rbdfs apply.
const (
	exitUsage       = 3
	exitStream      = 70
	exitStreamStart = 71
	exitApplyImage  = 72
	exitApplySignal = 75
)

// apply is "rbdfs apply", with the flags that rbd:POOL/IMAGE needs.
func apply(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	daemon, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", env.Mount.Pid))
	must(t, err)
	id := strings.TrimPrefix(cluster.RBD, "client.")
	return exec.CommandContext(t.Context(), daemon, append([]string{"apply", "--conf", env.Cluster.Conf(), "--id", id}, args...)...)
}

// mustApply applies streams.
func mustApply(t *testing.T, args ...string) string {
	t.Helper()
	out, err := apply(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("apply %q: %v: %s", args, err, out)
	}
	return string(out)
}

// save writes a stream to a file.
func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

// snapshotsOf lists an image's snapshots, as the rbd command names them.
func snapshotsOf(t *testing.T, image string) string {
	t.Helper()
	var names []string
	for _, line := range strings.Split(rbd(t, "snap", "ls", spec(image)), "\n")[1:] {
		if f := strings.Fields(line); len(f) > 1 {
			names = append(names, f[1])
		}
	}
	return strings.Join(names, " ")
}

// A full stream and five of changes, applied to an image of a mount, to one of a
// pool, and by one command, lead through what the image held.
func TestApplyReplays(t *testing.T) {
	env.Mount.Check(t)
	create(t, "source", "--size", "2M")
	h := &history{image: "source", now: content.New(t, 2*mib)}
	h.grow(t, nothing)
	// A name that is not its file's.
	rbd(t, "snap", "rename", spec("source@s6"), spec("source@.full%2F1"))
	files := []string{diffOf("source", "s0", ".full")}
	for n := range 5 {
		files = append(files, diffOf("source", fmt.Sprint("s", n+1), fmt.Sprint("s", n)))
	}
	last := env.Mount.Path(".snap/source/.full%252F1/.diff/s5")
	t.Run("to", func(t *testing.T) {
		t.Run("mount", func(t *testing.T) {
			t.Parallel()
			path := env.Mount.Path("in-mount")
			h.applyEach(t, files, "in-mount", path)
			mustApply(t, last, path)
			wantImage(t, "in-mount@.full%2F1", h.was[6])
		})
		t.Run("pool", func(t *testing.T) {
			t.Parallel()
			path := "rbd:" + spec("in-pool")
			h.applyEach(t, files, "in-pool", path)
			// The rbd command's own streams, by a pipe.
			cmd := apply(t, "-", path)
			cmd.Stdin = strings.NewReader(rbd(t, "export-diff", "--no-progress", "--from-snap", "s5", spec("source@.full%2F1"), "-"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			wantImage(t, "in-pool@.full%2F1", h.was[6])
		})
		t.Run("at once", func(t *testing.T) {
			t.Parallel()
			out := mustApply(t, append(append([]string{"--progress"}, files...), env.Mount.Path("at-once"))...)
			remove(t, "at-once")
			if t.Log(out); strings.Count(out, "100%") != 6 {
				t.Errorf("the progress is %q", out)
			}
			wantImage(t, "at-once", h.was[5])
			if got := snapshotsOf(t, "at-once"); got != "s0 s1 s2 s3 s4 s5" {
				t.Errorf("it has the snapshots %s", got)
			}
		})
	})
}

// applyEach applies a full stream, which makes the image, and what follows it.
func (h *history) applyEach(t *testing.T, files []string, image, path string) {
	t.Helper()
	for n, file := range files {
		mustApply(t, file, path)
		if n == 0 {
			remove(t, image)
		}
		wantImage(t, image, h.was[n])
		wantImage(t, fmt.Sprint(image, "@s", n), h.was[n])
	}
	if got := snapshotsOf(t, image); got != "s0 s1 s2 s3 s4 s5" {
		t.Errorf("%s has the snapshots %s", image, got)
	}
}

// wantRefused fails unless an apply ends with an exit code and one sentence.
func wantRefused(t *testing.T, what string, code int, args ...string) {
	t.Helper()
	out, err := apply(t, args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code || bytes.Count(out, []byte("\n")) != 1 || !bytes.HasPrefix(out, []byte("rbdfs: ")) {
		t.Errorf("%s: %v, want exit code %d: %s", what, err, code, out)
	}
}

// What is no whole stream, or does not fit, changes nothing.
func TestApplyRefuses(t *testing.T) {
	env.Mount.Check(t)
	h := twoSnaps(t, "origin")
	full, diff := stream(t, diffOf("origin", "a", ".full")), stream(t, diffOf("origin", "b", "a"))
	path := env.Mount.Path("refused")
	mustApply(t, save(t, "full", full), path)
	remove(t, "refused")
	head := len("rbd diff v1\n") + 2*6 + 9
	bad := map[string][]byte{
		"cut off":                diff[:len(diff)*2/3],
		"without its end":        diff[:len(diff)-1],
		"with something behind":  append(bytes.Clone(diff), 'e'),
		"with an unknown record": append(append(bytes.Clone(diff[:head]), 'x'), diff[head:]...),
		"behind the size":        append(append(bytes.Clone(diff[:head]), "z\xff\xff\xff\xff\xff\xff\xff\x00\x01\x00\x00\x00\x00\x00\x00\x00"...), 'e'),
		"with a long name":       append(binary.LittleEndian.AppendUint32([]byte("rbd diff v1\nt"), 300), bytes.Repeat([]byte("x"), 1000)...),
		"of nothing":             nil,
	}
	for what, data := range bad {
		wantRefused(t, what, exitStream, save(t, "bad", data), path)
	}
	wantRefused(t, "one bad of two", exitStream, save(t, "diff", diff), save(t, "bad", diff[:100]), path)
	wantRefused(t, "no file", exitStream, "/no/such/file", path)
	wantRefused(t, "full again", exitStreamStart, save(t, "full", full), path)
	wantRefused(t, "full on what is not empty", exitStreamStart, diffOf("origin", "b", ".full"), path)
	wantRefused(t, "no image", exitApplyImage, save(t, "diff", diff), env.Mount.Path("none"))
	wantRefused(t, "no image in the pool", exitApplyImage, save(t, "diff", diff), "rbd:"+spec("none"))
	wantRefused(t, "no mount", exitApplyImage, save(t, "diff", diff), t.TempDir()+"/vm")
	wantRefused(t, "no arguments", exitUsage)
	wantRefused(t, "no pool", exitUsage, save(t, "diff", diff), "rbd:vm")
	f := content.Open(t, path, os.O_RDWR)
	wantRefused(t, "in use by another client", exitApplyImage, save(t, "diff", diff), "rbd:"+spec("refused"))
	was := make([]byte, 1)
	_, err := f.ReadAt(was, 70*kib)
	must(t, err)
	for _, b := range []byte{was[0] + 1, was[0]} {
		_, err := f.WriteAt([]byte{b}, 70*kib)
		must(t, err)
		must(t, f.Sync())
		if b != was[0] {
			wantRefused(t, "changed since", exitStreamStart, save(t, "diff", diff), path)
		}
	}
	content.Close(t, f)
	wantImage(t, "refused", h.was[0])
	if got := snapshotsOf(t, "refused"); got != "a" {
		t.Errorf("it has the snapshots %s", got)
	}
	if _, err := os.Stat(env.Mount.Path("none")); !os.IsNotExist(err) {
		t.Errorf("an image was made: %v", err)
	}
	mustApply(t, save(t, "diff", diff), path)
	wantImage(t, "refused@b", h.was[1])
}

// large makes an image in a mount that is at snapshot a, and a stream that takes
// a while to apply.
func large(t *testing.T, name string) (path, file string, was []byte) {
	t.Helper()
	create(t, name, "--size", "2M")
	path = env.Mount.Path(name)
	c := content.New(t, 2*mib)
	c.Scribble(t, path, 10)
	snap(t, name, "a")
	const size, step = 160 * mib, 64 * kib
	b := []byte("rbd diff v1\nf\x01\x00\x00\x00at\x01\x00\x00\x00bs")
	b = binary.LittleEndian.AppendUint64(b, size)
	for off := uint64(0); off < size; off += step {
		b = binary.LittleEndian.AppendUint64(append(b, 'w'), off)
		b = append(binary.LittleEndian.AppendUint64(b, step), bytes.Repeat([]byte{byte(off >> 16)}, step)...)
	}
	return path, save(t, "large", append(b, 'e')), c.Bytes
}

// startApply starts an apply, and returns when it has begun to write.
func startApply(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := apply(t, append([]string{"--progress"}, args...)...)
	out, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewReader(out)
	for {
		if _, err := lines.ReadString('%'); err != nil {
			t.Fatalf("apply ended before it wrote: %v, %v", err, cmd.Wait())
		}
		if text, _ := lines.Peek(1); len(text) == 1 {
			break // it has written once more
		}
	}
	go func() { _, _ = lines.WriteTo(discard{}) }()
	return cmd
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// A signal puts the image back before apply ends.
func TestApplyInterrupted(t *testing.T) {
	env.Mount.Check(t)
	path, file, was := large(t, "interrupted")
	cmd := startApply(t, file, path)
	must(t, cmd.Process.Signal(syscall.SIGINT))
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitApplySignal {
		t.Errorf("%v, want exit code %d", err, exitApplySignal)
	}
	wantImage(t, "interrupted", was)
	if got := snapshotsOf(t, "interrupted"); got != "a" {
		t.Errorf("it has the snapshots %s", got)
	}
}

// After kill -9 the image has a snapshot whose name tells what happened, and the
// next apply begins with putting it back.
func TestApplyKilled(t *testing.T) {
	env.Mount.Check(t)
	path, file, was := large(t, "killed")
	cmd := startApply(t, file, path)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	if got := snapshotsOf(t, "killed"); got != "a rbdfs-undo-before-b" {
		t.Errorf("it has the snapshots %s", got)
	}
	wantImage(t, "killed@rbdfs-undo-before-b", was)
	wantRefused(t, "another stream", exitStreamStart, save(t, "x", []byte("rbd diff v1\nf\x01\x00\x00\x00xt\x01\x00\x00\x00ys\x00\x00\x00\x00\x00\x00\x00\x00e")), path)
	wantImage(t, "killed", was)
	if got := snapshotsOf(t, "killed"); got != "a" {
		t.Errorf("it has the snapshots %s", got)
	}
	mustApply(t, file, path)
	if got := snapshotsOf(t, "killed"); got != "a b" {
		t.Errorf("it has the snapshots %s", got)
	}
}
