package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// asCommand is set in the environment of a test binary that is to be cephdev. It
// goes by the environment, not the arguments: a test binary without arguments
// would run the tests, which start it without arguments, and so on.
const asCommand = "CEPHDEV_TEST_AS_COMMAND"

// TestMain makes the test binary cephdev when it is called as such, as "start
// --background" calls itself.
func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// cephdev runs it and returns what it wrote and its exit code.
func cephdev(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), asCommand+"=1"), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"explode"}, {"start"}, {"stop"}, {"env"}, {"run"}, {"run", "--"},
		{"start", "--dir", "x", "more"}, {"start", "--osds", "many"}, {"stop", "--osds", "1", "--dir", "x"},
	} {
		if _, stderr, code := cephdev(t, args...); code != exitUsage || stderr == "" {
			t.Errorf("cephdev %v: exit code %d, %q", args, code, stderr)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, _, code := cephdev(t, "env", "--dir", none); code != exitError {
		t.Errorf("env without a cluster: exit code %d", code)
	}
	if _, stderr, code := cephdev(t, "stop", "--dir", none); code != 0 {
		t.Errorf("stop without a folder: exit code %d, %s", code, stderr)
	}
}

// needsCeph skips where the tests are to use an existing cluster.
func needsCeph(t *testing.T) {
	if os.Getenv(cluster.EnvConf) != "" {
		t.Skipf("starts a cluster, and %s names an existing one", cluster.EnvConf)
	}
}

// TestRun: the command finds the cluster, and its exit code comes back.
func TestRun(t *testing.T) {
	needsCeph(t)
	script := fmt.Sprintf(`echo "dir=$%[1]s"; rbd --conf "$%[1]s/ceph.conf" namespace ls rbd; exit 7`, cluster.EnvCluster)
	stdout, stderr, code := cephdev(t, "run", "--", "sh", "-c", script)
	if code != 7 || !strings.Contains(stdout, cluster.Namespace) {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
	dir, _, _ := strings.Cut(strings.TrimPrefix(stdout, "dir="), "\n")
	if _, err := os.Stat(dir); dir == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %q afterwards: %v", dir, err)
	}
}

// TestRunInterrupted: what the command has started is interrupted with it.
func TestRunInterrupted(t *testing.T) {
	needsCeph(t)
	told := filepath.Join(t.TempDir(), "told")
	script := fmt.Sprintf(`sh -c 'trap "touch %s; exit" INT; echo ready; while :; do sleep 0.1; done'; true`, told)
	cmd := exec.Command(os.Args[0], "run", "--", "sh", "-c", script)
	cmd.Env, cmd.Stderr = append(os.Environ(), asCommand+"=1"), t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err := errors.Join(err, cmd.Process.Signal(syscall.SIGINT)); err != nil || line != "ready\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("cephdev has succeeded")
	}
	if _, err := os.Stat(told); err != nil {
		t.Error(err)
	}
}

// TestBackground: a cluster in the background survives its command, ends with
// stop, and ends with its holder, whose remains stop clears away.
func TestBackground(t *testing.T) {
	needsCeph(t)
	dir := filepath.Join(t.TempDir(), "a folder's name")
	t.Cleanup(func() { cephdev(t, "stop", "--dir", dir) })
	for _, kill := range []bool{false, true} {
		stdout, stderr, code := cephdev(t, "start", "--background", "--dir", dir)
		if code != 0 {
			t.Fatalf("start: exit code %d, %s", code, stderr)
		}
		if again, _, _ := cephdev(t, "env", "--dir", dir); again != stdout || again == "" {
			t.Errorf("env says %q, start said %q", again, stdout)
		}
		if _, stderr, code := cephdev(t, "start", "--background", "--dir", dir); code != exitError {
			t.Errorf("second start: exit code %d, %s", code, stderr)
		}
		out, err := exec.Command("sh", "-c", stdout+"rbd namespace ls rbd").CombinedOutput()
		if err != nil || !strings.Contains(string(out), cluster.Namespace) {
			t.Errorf("rbd in the environment of env: %v, %s", err, out)
		}
		if kill {
			killHolder(t, dir)
		}
		if _, stderr, code := cephdev(t, "stop", "--dir", dir); code != 0 {
			t.Errorf("stop: exit code %d, %s", code, stderr)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder afterwards: %v", err)
		}
		waitNoProcess(t, dir)
	}
}

// killHolder kills the holder and waits until it is gone.
func killHolder(t *testing.T, dir string) {
	t.Helper()
	pid, err := cluster.Holder(dir)
	if err != nil || pid == 0 {
		t.Fatalf("holder: %d, %v", pid, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitNoProcess(t, dir)
}

// waitNoProcess waits until no process has the folder in its command line.
func waitNoProcess(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		var left []string
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range lines {
			if line, _ := os.ReadFile(path); strings.Contains(string(line), dir) {
				left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still running: %v", left)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
