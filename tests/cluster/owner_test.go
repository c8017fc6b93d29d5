package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownerDir, set in the environment, makes this test binary the owner of a
// cluster in that folder.
const ownerDir = "RBDFS_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		if err := own(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// own starts a cluster, uses it, and leaves a client waiting for it; then it
// prints the processes' ids and waits for its end.
func own(dir string) error {
	ctx := context.Background()
	c, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	if err := c.CreatePool(ctx, "vms"); err != nil {
		return err
	}
	if _, err := c.RBD(ctx, "create", "vms/vm1", "--size", "1G"); err != nil {
		return err
	}
	client := exec.Command("rbd", "--conf", c.Conf(), "watch", "vms/vm1")
	if err := c.spawn.start(client); err != nil {
		return err
	}
	fmt.Println(client.Process.Pid)
	for _, name := range c.Daemons() {
		fmt.Println(c.PID(name))
	}
	fmt.Println("end")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestOwnerKilled: kill -9 of the owner leaves no process behind.
func TestOwnerKilled(t *testing.T) {
	if os.Getenv(EnvConf) != "" {
		t.Skipf("starts a cluster, and %s names an existing one", EnvConf)
	}
	dir := filepath.Join(t.TempDir(), "cluster")
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), ownerDir+"="+dir), os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPIDs(t, stdout)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// mon, mgr, osd and the client.
	if len(pids) != 4 {
		t.Fatalf("processes of the owner: %v", pids)
	}
	for _, pid := range pids {
		waitDead(t, pid, dir)
	}
}

// readPIDs reads the numbers that own prints.
func readPIDs(t *testing.T, r io.Reader) []int {
	t.Helper()
	var pids []int
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() == "end" {
			return pids
		}
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	t.Fatalf("the owner said %v and ended", pids)
	return nil
}

// waitDead waits for the end of a process that has the cluster's folder in its
// command line; a zombie, if nobody reaps it, is dead.
func waitDead(t *testing.T, pid int, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := poll(ctx, fmt.Sprintf("the end of process %d", pid), func(context.Context) (bool, error) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		gone := errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
		return gone || !strings.Contains(string(line), dir), nil
	})
	if err != nil {
		t.Error(err)
	}
}
