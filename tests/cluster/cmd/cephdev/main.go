// Command cephdev starts and stops a throwaway Ceph, for "make check", "make
// demo" and for work by hand. See package rbdfs/tests/cluster.
//
//	cephdev start --dir DIR [--osds N] [--background]
//	cephdev stop  --dir DIR
//	cephdev env   --dir DIR
//	cephdev run   [--dir DIR] [--osds N] -- COMMAND [ARG...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"rbdfs/tests/cluster"
)

const usage = `usage: cephdev COMMAND --dir DIR

start [--osds N] [--osd-size BYTES] [--background]
      start a cluster in DIR, and end it at Ctrl-C; with --background return
      when it can be used, and leave it to "cephdev stop"
stop  end the cluster in DIR and remove it
env   print shell commands that point ceph, rbd and the tests to it
run   [--osds N] -- COMMAND [ARG...]
      start a cluster, run COMMAND on it, end it; DIR may be left out

--verbose shows each step
`

// Exit codes; "run" otherwise passes on that of its command.
const (
	exitError = 1
	exitUsage = 2
)

// command is what one subcommand got from its command line.
type command struct {
	opts       cluster.Options
	background bool
	readyFD    int // of the re-executed holder, see start.go
	args       []string
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one subcommand and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	verbs := map[string]func(context.Context, command, io.Writer) error{
		"start": start, "stop": stop, "env": env, "run": runCommand,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	c, err := parse(args[0], args[1:], stderr)
	if err != nil {
		fmt.Fprintln(stderr, "cephdev:", err)
		return exitUsage
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	err = verbs[args[0]](ctx, c, stdout)
	var exit exitCode
	if errors.As(err, &exit) {
		return int(exit)
	}
	if err != nil {
		fmt.Fprintln(stderr, "cephdev:", err)
		return exitError
	}
	return 0
}

// parse reads the flags of a subcommand.
func parse(verb string, args []string, stderr io.Writer) (command, error) {
	var c command
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.opts.Dir, "dir", "", "folder of the cluster")
	verbose := flags.Bool("verbose", false, "say more")
	if verb == "start" || verb == "run" {
		flags.IntVar(&c.opts.OSDs, "osds", 1, "number of OSDs")
		flags.Int64Var(&c.opts.OSDSize, "osd-size", cluster.DefaultOSDSize, "bytes of each OSD")
	}
	if verb == "start" {
		flags.BoolVar(&c.background, "background", false, "return when it is up")
		flags.IntVar(&c.readyFD, "ready-fd", 0, "for cephdev itself")
	}
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.args = flags.Args()
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	c.opts.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	switch {
	case c.opts.Dir == "" && verb != "run":
		return c, fmt.Errorf("%s: --dir is missing", verb)
	case len(c.args) > 0 != (verb == "run"):
		return c, fmt.Errorf("%s: a command is for \"run\", which needs one", verb)
	}
	return c, nil
}

// stop ends a cluster that runs in the background.
func stop(ctx context.Context, c command, _ io.Writer) error {
	return cluster.StopHolder(ctx, c.opts.Dir)
}
