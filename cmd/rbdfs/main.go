package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	Mount   mountCmd   `cmd:"" help:"Mount a pool."`
	Umount  umountCmd  `cmd:"" help:"Unmount what rbdfs mounted, and wait until everything is flushed."`
	Apply   applyCmd   `cmd:"" help:"Apply streams of changes to an image, each whole or not at all."`
	Version versionCmd `cmd:"" help:"Show the versions of rbdfs and of what it runs on."`
}

// console is where a command writes what its user asked for, and hints.
type console struct{ stdout, stderr io.Writer }

func main() {
	os.Exit(int(run(os.Args[1:], console{os.Stdout, os.Stderr})))
}

// run parses and runs one command, and says on stderr why it failed.
func run(args []string, out console) exitCode {
	err := dispatch(args, out)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(out.stderr, sentence(err))
	}
	return codeOf(err)
}

// dispatch finds the command and runs it.
func dispatch(args []string, out console) error {
	parser, err := newParser(&cli{}, out)
	if err != nil {
		return err
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return failf(exitUsage, "%v; see %q", err, helpCommand(args))
	}
	return ctx.Run(out)
}

// newParser declares the command line to kong.
func newParser(c *cli, out console, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("rbdfs"),
		kong.Description("Mount a Ceph RBD pool as a directory: every image is a sparse file."),
		kong.Writers(out.stdout, out.stderr),
		kong.DefaultEnvars("RBDFS"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		defaultVars(),
	}, options...)...)
}

// helpCommand is the command that explains the arguments.
func helpCommand(args []string) string {
	for _, name := range []string{"mount", "umount", "apply", "version"} {
		if len(args) > 0 && strings.EqualFold(args[0], name) {
			return "rbdfs " + name + " --help"
		}
	}
	return "rbdfs --help"
}
