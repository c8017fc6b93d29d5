package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"rbdfs/tests/cluster"
)

// readyWord is what the holder writes when its cluster can be used.
const readyWord = "ready\n"

// start holds a cluster until a signal comes, itself or by a background process.
func start(ctx context.Context, c command, stdout io.Writer) error {
	if c.background {
		return startBackground(ctx, c, stdout)
	}
	if c.readyFD != 0 {
		// The daemons must not have it: our reader waits for its last writer.
		syscall.CloseOnExec(c.readyFD)
	}
	return cluster.Hold(ctx, c.opts, func(up *cluster.Cluster) error {
		if c.readyFD == 0 {
			printEnv(stdout, up.Dir())
			return nil
		}
		pipe := os.NewFile(uintptr(c.readyFD), "ready")
		defer pipe.Close()
		// When the process that started us is gone nobody knows of the cluster:
		// the write fails, and Hold ends it.
		_, err := pipe.WriteString(readyWord)
		return err
	})
}

// startBackground runs this program again as the holder, in a session of its
// own, and waits until its cluster can be used. What it says goes to a file in
// the folder, and to us when it fails.
func startBackground(ctx context.Context, c command, stdout io.Writer) error {
	dir, err := cluster.PrepareDir(c.opts.Dir)
	if err != nil {
		return err
	}
	log, err := os.Create(cluster.HolderLog(dir))
	if err != nil {
		return err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	holder, err := startHolder(c, dir, log, w)
	_ = w.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = holder.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if word, _ := io.ReadAll(r); string(word) == readyWord {
		printEnv(stdout, dir)
		return holder.Process.Release()
	}
	err = holder.Wait()
	return fmt.Errorf("start in the background: %w%s", err, said(log))
}

// startHolder starts the background process; its third descriptor is ready.
func startHolder(c command, dir string, log, ready *os.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "start", "--dir", dir, "--osds", strconv.Itoa(c.opts.OSDs),
		"--osd-size", strconv.FormatInt(c.opts.OSDSize, 10), "--ready-fd", "3")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// said is the content of a log as the end of an error message. The file may
// have been removed, with the cluster's folder.
func said(log *os.File) string {
	data, err := io.ReadAll(io.NewSectionReader(log, 0, 1<<20))
	if err != nil || len(data) == 0 {
		return ""
	}
	return ":\n" + strings.TrimSpace(string(data))
}

// env prints what points a shell to a running cluster.
func env(_ context.Context, c command, stdout io.Writer) error {
	dir, err := filepath.Abs(c.opts.Dir)
	if err != nil {
		return err
	}
	pid, err := cluster.Holder(dir)
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("no cluster runs in %q", dir)
	}
	printEnv(stdout, dir)
	return nil
}

// printEnv prints it, quoted for a POSIX shell.
func printEnv(w io.Writer, dir string) {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	fmt.Fprintf(w, "export CEPH_CONF=%s\n", quote(filepath.Join(dir, "ceph.conf")))
	fmt.Fprintf(w, "export %s=%s\n", cluster.EnvCluster, quote(dir))
}
