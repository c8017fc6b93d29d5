package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"rbdfs/snapshots"
)

// applyCmd is "rbdfs apply".
type applyCmd struct {
	Args     []string `arg:"" name:"file... image" help:"Streams as .diff and rbd export-diff give them, - for standard input, in order; and the image: its path in a mount, or rbd:POOL[/NAMESPACE]/IMAGE."`
	Progress bool     `help:"Show how far it is, also where stderr is no terminal."`

	cephFlags `embed:"" group:"Ceph, for rbd:POOL/IMAGE"`
}

// Validate checks the arguments.
func (c *applyCmd) Validate() error {
	files, image := c.split()
	if len(files) == 0 {
		return errors.New("apply needs at least one FILE, and the image")
	}
	stdin := 0
	for _, f := range files {
		if f == "-" {
			stdin++
		}
	}
	if stdin > 1 || image == "-" {
		return errors.New("- stands for standard input, which is one stream")
	}
	if strings.HasPrefix(image, poolPrefix) {
		if _, _, err := parseImageSpec(image); err != nil {
			return err
		}
	}
	return c.cephFlags.Validate()
}

// split tells the streams from the image.
func (c *applyCmd) split() (files []string, image string) {
	if len(c.Args) == 0 {
		return nil, ""
	}
	last := len(c.Args) - 1
	return c.Args[:last], c.Args[last]
}

// Run applies the streams, each of them whole or not at all.
func (c *applyCmd) Run(out console) error {
	files, image := c.split()
	streams, err := openStreams(files)
	defer streams.close()
	if err != nil {
		return err
	}
	// Until here a signal simply ends the process: nothing was begun.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	logger := slog.New(slog.NewTextHandler(out.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	t, err := c.target(image, streams[0].fresh, signals, logger)
	if err != nil {
		return err
	}
	go func() {
		sig := <-signals
		cancel(&interrupted{sig})
	}()
	err = applyAll(ctx, t, streams, c.progress(out.stderr))
	if err != nil && t.discard != nil {
		err = t.undoCreate(err)
	}
	if closeErr := t.close(); err == nil && closeErr != nil {
		err = failf(exitApply, "%q cannot be closed in order: %v; check it before it is used", image, closeErr)
	}
	return err
}

// interrupted is why a signal ends an apply.
type interrupted struct{ sig os.Signal }

func (i *interrupted) Error() string { return fmt.Sprintf("ended by the signal %q", i.sig) }

// applyTarget is an image that is open for streams to be applied.
type applyTarget struct {
	snapshots.Target
	name    string
	close   func() error
	discard func() error // closes and removes the image, which was made for this; nil when it was not
}

// undoCreate removes the image that was made for streams of which the first failed.
func (t *applyTarget) undoCreate(cause error) error {
	if names, err := t.Snapshots(); err != nil || len(names) > 0 {
		return cause // a stream is applied, or one is left to be undone
	}
	t.close = func() error { return nil }
	if err := t.discard(); err != nil {
		return failf(exitUndo, "%v; and the new image %q cannot be removed: %v; remove it", cause, t.name, err)
	}
	return cause
}

// target opens the image, or makes it for a full stream.
func (c *applyCmd) target(image string, create bool, signals <-chan os.Signal, logger *slog.Logger) (*applyTarget, error) {
	if strings.HasPrefix(image, poolPrefix) {
		return c.poolTarget(image, create, signals, logger)
	}
	return mountTarget(image, create)
}

// applyAll puts back what an earlier apply has left half done, and applies streams
// in order.
func applyAll(ctx context.Context, t *applyTarget, streams streamFiles, show func(string, uint64, uint64)) error {
	recovered, err := snapshots.Recover(t)
	if err != nil {
		return applyFailure("what an earlier apply has left", t.name, err)
	}
	if recovered {
		show("put back what an apply that was killed had left half done", 0, 0)
	}
	for _, s := range streams {
		err := snapshots.Apply(ctx, t, s.file, s.length, func(done uint64) { show(s.name, done, s.length) })
		show("", 0, 0)
		if err != nil {
			return applyFailure(s.name, t.name, err)
		}
	}
	return nil
}

// applyFailure says what to do about an error of snapshots.Apply.
func applyFailure(stream, image string, err error) error {
	var format *snapshots.StreamError
	var undo *snapshots.UndoError
	var signalled *interrupted
	const unchanged = "the image is as it was before this stream"
	switch {
	case errors.As(err, &undo):
		return failf(exitUndo, "%q: %v; run rbdfs apply again, which begins with putting it back, or \"rbd snap rollback\" to that snapshot", image, err)
	case errors.As(err, &signalled):
		return failf(exitApplySignal, "%q: %v; %s", stream, signalled, unchanged)
	case errors.As(err, &format):
		return failf(exitStream, "%q is no stream to be applied: %v; export it again; %s", stream, err, unchanged)
	case errors.Is(err, snapshots.ErrWrongStart):
		return failf(exitStreamStart, "%q cannot be applied to %q: %v; apply the streams in their order, to an image that nothing else writes to", stream, image, err)
	case errors.Is(err, snapshots.ErrHasEnd):
		return failf(exitStreamStart, "%q cannot be applied to %q: %v; it may have been applied already", stream, image, err)
	}
	return failf(exitApply, "%q cannot be applied to %q: %v; %s", stream, image, err, unchanged)
}

// progress returns what shows how far a stream is, at most once for each percent;
// no name ends the line.
func (c *applyCmd) progress(w io.Writer) func(name string, done, length uint64) {
	if f, ok := w.(*os.File); !c.Progress && (!ok || !isTerminal(f)) {
		return func(string, uint64, uint64) {}
	}
	last := -1
	return func(name string, done, length uint64) {
		switch {
		case name == "" && last >= 0:
			fmt.Fprintln(w)
			last = -1
		case name != "" && length == 0:
			fmt.Fprintf(w, "rbdfs: %s\n", name)
		case name != "":
			if now := int(float64(done) / float64(length) * 100); now != last {
				fmt.Fprintf(w, "\rrbdfs: %s: %d%%", name, now)
				last = now
			}
		}
	}
}
