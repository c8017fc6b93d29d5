package harness

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rbdfs/tests/cluster"
)

// Setup says what the tests of a folder run on.
type Setup struct {
	OSDs    int     // at least; 1 by default
	Options Options // of Env.Mount
	NoMount bool    // the tests mount by themselves
}

// Env is what the tests of a folder run on.
type Env struct {
	Cluster *cluster.Cluster
	Pool    string // fresh, and only this package's
	Mount   *Mount // nil with Setup.NoMount

	builder builder
	janitor *janitor

	mu     sync.Mutex // guards mounts and closed
	mounts []*Mount
	closed bool
}

// Main runs the tests of a folder on a fresh pool, mounted; use gets the Env
// before they start. It does not return.
func Main(tests *testing.M, setup Setup, use func(*Env)) {
	flag.Parse()
	ctx, interrupted := context.WithCancelCause(context.Background())
	e := &Env{}
	go e.onSignal(interrupted)
	code := 1
	if err := e.open(ctx, setup); err != nil {
		fmt.Fprintln(os.Stderr, "test environment:", err)
	} else {
		use(e)
		code = tests.Run()
	}
	if err := e.check(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: after the tests:", err)
		code = 1
	}
	if err := e.close(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: cleaning up after the tests:", err)
		code = 1
	}
	os.Exit(code)
}

// onSignal cleans up in order when the tests are interrupted.
func (e *Env) onSignal(interrupted context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	sig := (<-signals).(syscall.Signal)
	interrupted(fmt.Errorf("interrupted by %v", sig))
	fmt.Fprintf(os.Stderr, "tests ended by %v\n", sig)
	if err := e.close(); err != nil {
		fmt.Fprintln(os.Stderr, "cleaning up:", err)
	}
	os.Exit(128 + int(sig))
}

// open makes the pool and mounts it.
func (e *Env) open(ctx context.Context, setup Setup) (err error) {
	if _, err := e.builder.binary(ctx); err != nil {
		return err
	}
	if e.Cluster, err = cluster.FromEnv(ctx, cluster.Options{OSDs: setup.OSDs}); err != nil {
		return err
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	e.Pool = fmt.Sprintf("rbdfs-%s-%08x", name, rand.Uint32())
	if err := e.hire(); err != nil {
		return err
	}
	if err := e.Cluster.CreatePool(ctx, e.Pool); err != nil {
		return err
	}
	if !setup.NoMount {
		e.Mount, err = e.mount(ctx, setup.Options)
	}
	return err
}

// hire has what this process would remove removed should it be killed: a pool
// on another's cluster, or the folder of its own.
func (e *Env) hire() (err error) {
	if e.Cluster.Owned() {
		e.janitor, err = hire(removeFoldersScript, e.builder.dir, e.Cluster.Dir())
	} else {
		e.janitor, err = hire(removePoolScript, e.builder.dir, e.Cluster.Conf(), e.Pool)
	}
	return err
}

// mount mounts a pool until close.
func (e *Env) mount(ctx context.Context, o Options) (*Mount, error) {
	o.Pool, o.User = cmp.Or(o.Pool, e.Pool), cmp.Or(o.User, cluster.RBD)
	binary, err := e.builder.binary(ctx)
	if err != nil {
		return nil, err
	}
	m, err := start(ctx, e.Cluster, binary, o)
	if err != nil {
		return nil, err
	}
	if !o.ReadOnly {
		if err := m.warmUp(ctx); err != nil {
			return nil, errors.Join(err, m.Kill())
		}
	}
	e.mu.Lock()
	e.mounts = append(e.mounts, m)
	closed := e.closed
	e.mu.Unlock()
	if closed { // a signal came meanwhile
		return nil, errors.Join(errors.New("the tests are being ended"), m.Kill())
	}
	return m, nil
}

// Start mounts the pool once more, for one test, and checks the mount at the
// test's end as Check does. The test may unmount or kill it.
func (e *Env) Start(tb testing.TB, o Options) *Mount {
	tb.Helper()
	m, err := e.mount(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Unmount(); err != nil {
			tb.Error(err)
		}
		m.checkLog(tb)
	})
	return m
}

// check looks for leaks after all tests, and for what was logged outside any.
func (e *Env) check(ctx context.Context) error {
	if e.Mount == nil {
		return nil
	}
	var err error
	if e.Mount.running() {
		err = errors.Join(e.Mount.CheckLeaks(ctx), e.Mount.Unmount())
	}
	for _, line := range e.Mount.log.bad() {
		err = errors.Join(err, fmt.Errorf("the daemon logged: %s", line))
	}
	return err
}

// close ends the mounts that are left and removes the pool.
func (e *Env) close() error {
	e.mu.Lock()
	mounts, closed := e.mounts, e.closed
	e.closed = true
	e.mu.Unlock()
	if closed {
		select {} // the other caller ends the process
	}
	var errs []error
	for _, m := range mounts {
		errs = append(errs, m.Kill())
	}
	if e.Cluster != nil {
		errs = append(errs, e.closeCluster())
	}
	return errors.Join(append(errs, e.builder.remove())...)
}

// closeCluster removes the pool, unless it goes with its cluster.
func (e *Env) closeCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if e.janitor != nil && !e.Cluster.Owned() {
		err = e.Cluster.RemovePool(ctx, e.Pool)
	}
	err = errors.Join(err, e.Cluster.Close())
	if e.janitor != nil {
		err = errors.Join(err, e.janitor.dismiss())
	}
	return err
}
