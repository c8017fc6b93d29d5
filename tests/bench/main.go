package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// flags are the command line.
type flags struct {
	settings
	quick, scale bool
	only         *regexp.Regexp
	contestants  []string
	out          string
	readme       string
	from         string
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("bench: ")
	f, err := parseFlags(os.Args[1:])
	if err != nil {
		os.Exit(2) // flag has said why
	}
	// SIGHUP too: a closed terminal must not leave daemons and mounts behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := f.run(ctx); err != nil {
		log.Print(err)
		stop()
		os.Exit(1)
	}
}

// parseFlags reads the command line. What it sets goes over -quick.
func parseFlags(args []string) (*flags, error) {
	var f flags
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.BoolVar(&f.quick, "quick", false, "small sizes, short runs and the most telling workloads: under 5 minutes")
	set.BoolVar(&f.scale, "scale", false, "measure how cost grows with images, sizes, snapshots and open files instead")
	only := set.String("only", "", "workloads to run, a `REGEXP` for their names; all by default")
	contestants := set.String("contestants", "", "contestants to run, a comma-separated `LIST`; all by default")
	runs := set.Int("runs", 0, "how often each contestant runs")
	runtime := set.Duration("runtime", 0, "how long fio measures in each run; at least 1s")
	set.StringVar(&f.out, "out", "", "`DIR` for the results; a new temporary one by default")
	set.StringVar(&f.readme, "readme", "", "write the table into this `FILE`, between its bench markers, and the chart beside the benchmark")
	set.StringVar(&f.from, "from", "", "measure nothing; report on this results.json `FILE` again")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	f.settings = full
	if f.quick {
		f.settings = quick
	}
	if *runs > 0 {
		f.runs = *runs
	}
	if *runtime > 0 {
		f.runtime = *runtime
	}
	if *contestants != "" {
		f.contestants = strings.Split(*contestants, ",")
	}
	var err error
	if f.only, err = regexp.Compile(*only); err == nil && f.runtime < time.Second {
		err = fmt.Errorf("-runtime %v: at least 1s", f.runtime)
	}
	if err != nil {
		fmt.Fprintln(set.Output(), err)
	}
	return &f, err
}

// run measures and reports.
func (f *flags) run(ctx context.Context) error {
	if f.from != "" {
		r, err := readReport(f.from)
		if err != nil {
			return err
		}
		return f.publish(r)
	}
	if f.out == "" {
		dir, err := os.MkdirTemp("", "rbdfs-bench-results-")
		if err != nil {
			return err
		}
		f.out = dir
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	r := &report{Command: command(), Date: time.Now().UTC().Truncate(time.Second)}
	failed := f.measure(ctx, r)
	if len(r.Workloads) == 0 && len(r.Scale) == 0 {
		return failed
	}
	// What was measured before a failure or Ctrl-C is worth a report.
	if err := f.publish(r); err != nil {
		return err
	}
	return failed
}

// measure fills in the report.
func (f *flags) measure(ctx context.Context, r *report) (err error) {
	b, err := newBench(ctx, f.settings)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := b.close(); err == nil {
			err = closeErr
		}
	}()
	r.Machine, r.Versions = thisMachine(), versions(ctx, b)
	if f.scale {
		return b.measureScale(ctx, f.only, r)
	}
	return b.measureWorkloads(ctx, f, r)
}

// command is what the user typed, but for the name of the program that "go run"
// built and the place of the results.
func command() string {
	var vars []string
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "RBDFS_BENCH_") {
			vars = append(vars, quote(v))
		}
	}
	words := append(vars, "tests/go", "run", "./tests/bench")
	for i, arg := range os.Args[1:] {
		if name := strings.TrimLeft(arg, "-"); name == "out" || strings.HasPrefix(name, "out=") || strings.TrimLeft(os.Args[i], "-") == "out" {
			continue
		}
		words = append(words, quote(arg))
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a POSIX shell, where it needs that.
func quote(s string) string {
	if regexp.MustCompile(`^[\w./=:,@%+-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
