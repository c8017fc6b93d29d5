package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rbdfs/fs"
	"rbdfs/rbdio"
)

// mountCmd is "rbdfs mount".
type mountCmd struct {
	Pool poolSpec `arg:"" name:"pool[/namespace]" help:"The pool, or a namespace in it."`
	Dir  string   `arg:"" help:"An empty directory to mount on."`

	Background   bool     `help:"Return when the mount can be used; the daemon goes on."`
	ReplaceStale bool     `help:"Detach a dead mount that a killed rbdfs has left on DIR."`
	ReadOnly     bool     `help:"Refuse all changes."`
	UID          uint32   `name:"uid" default:"${uid}" help:"Owner of images that have none of their own."`
	GID          uint32   `name:"gid" default:"${gid}" help:"Group of images that have none of their own."`
	FileMode     fileMode `default:"${file_mode}" help:"Mode of images that have none of their own."`
	DirMode      fileMode `default:"${dir_mode}" help:"Mode of directories."`
	AllowOther   bool     `help:"Let other users in, as far as owner and mode allow."`
	SnapDir      string   `name:"snapdir" enum:"hidden,visible" default:"${snapdir}" help:"Whether a listing shows .snap, .trash and .group: ${enum}."`

	DataPath string `enum:"c,go" default:"${data_path}" help:"Way of reads and writes: c, the fast one, or go, through go-fuse's server."`

	cephFlags  `embed:"" group:"Ceph"`
	imageFlags `embed:"" group:"Images"`
	logFlags   `embed:"" group:"Log"`
}

// Validate checks the flags of all groups.
func (c *mountCmd) Validate() error {
	if c.ReadOnly && c.Exclusive {
		return errors.New("--exclusive is about writing, which --read-only refuses")
	}
	return errors.Join(c.cephFlags.Validate(), c.imageFlags.Validate())
}

// Run mounts, and serves until the mount ends.
func (c *mountCmd) Run(out console) error {
	ready := readyPipe()
	if c.Background && ready == nil {
		return startDaemon(c.Dir, out)
	}
	signals := catchSignals(ready != nil || c.LogFile != "")
	log, err := c.logFlags.target(ready != nil)
	if err != nil {
		return err
	}
	defer log.close()
	logger := c.logger(log)
	if file, ok := log.(*fileLog); ok {
		go file.reopenOn(hangups(), logger)
	}
	if err := c.cephFlags.absolute(); err != nil {
		return err
	}
	return c.run(out, log, logger, signals, ready)
}

// run mounts, tells a waiting parent, and serves.
func (c *mountCmd) run(out console, log logTarget, logger *slog.Logger, signals <-chan os.Signal, ready *readiness) error {
	began := time.Now()
	m, err := c.start(logger, signals)
	if err != nil {
		return err
	}
	logger.Info("mounted", "pool", c.Pool.String(), "dir", m.keeper.mount.path, "took", time.Since(began).Round(time.Millisecond))
	system, ok := log.(*systemLog)
	if ok && !hasSyslog() {
		fmt.Fprintln(out.stderr, "rbdfs: there is no log of the system, neither the journal nor syslog (/dev/log), until one is started; name a file for the log with --log-file")
	}
	if err := ready.tell(log); err != nil {
		logger.Warn("the process that started this one is gone", "error", err)
	}
	err = m.serve(signals)
	if err != nil && system != nil { // which main's sentence does not reach
		logger.Error("the mount has ended", "error", err)
	}
	return err
}

// hangups are the signals that ask for the log file to be opened anew.
func hangups() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// catchSignals takes over the signals that would end the process. SIGHUP asks for
// the end only in the foreground without a log file, and not after nohup(1).
func catchSignals(keepsOn bool) <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	// Writing to a log that nobody reads any more is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	if keepsOn {
		signal.Ignore(syscall.SIGHUP)
	} else if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	return signals
}

// mounting is a pool that is mounted.
type mounting struct {
	pool   rbdio.Pool
	keeper *keeper
}

// start checks what can be checked, connects and mounts. A signal ends it, and
// then, as with an error, no mount is left.
func (c *mountCmd) start(logger *slog.Logger, signals <-chan os.Signal) (*mounting, error) {
	if err := checkFuse(c.AllowOther); err != nil {
		return nil, err
	}
	place, err := claimDir(c.Dir, c.ReplaceStale)
	if err != nil {
		return nil, err
	}
	defer place.release()
	pool, err := connect(c.librbdConfig(logger), signals)
	if err != nil {
		return nil, err
	}
	return c.mount(rbdio.Limit(pool, dataCalls, metaCalls), place.path, logger)
}

// mount mounts the pool on path.
func (c *mountCmd) mount(pool rbdio.Pool, path string, logger *slog.Logger) (*mounting, error) {
	server, err := fs.Mount(pool, c.fsConfig(path, logger))
	if err != nil {
		// The process ends now; closing is a courtesy to the monitors.
		_, _ = within(killGrace, func() (struct{}, error) { return struct{}{}, pool.Close() })
		return nil, failf(exitMountRefused, "pool %q cannot be mounted on %q: %v", c.Pool.String(), path, err)
	}
	mount := mounted{path: path}
	if mounts, err := readMounts(); err == nil {
		m, _ := mountAt(mounts, path)
		mount.device = m.device
	}
	k := &keeper{server: server, control: listenControl(mount.device, logger), mount: mount, logger: logger, system: machine()}
	return &mounting{pool: pool, keeper: k}, nil
}

// fsConfig is what the file system needs to know of the flags.
func (c *mountCmd) fsConfig(path string, logger *slog.Logger) fs.Config {
	return fs.Config{
		Dir: path, Source: c.Pool.String(), ReadOnly: c.ReadOnly,
		UID: c.UID, GID: c.GID, FileMode: uint32(c.FileMode), DirMode: uint32(c.DirMode),
		AllowOther: c.AllowOther, SnapDir: fs.SnapDir(c.SnapDir), TrashKeep: c.TrashKeep,
		NoExtents: c.NoExtents, DataPath: fs.DataPath(c.DataPath), Logger: logger, Debug: c.level() <= slog.LevelDebug,
	}
}

// serve keeps the mount until its end, closes the pool, and tells a waiting
// "rbdfs umount" how it went.
func (m *mounting) serve(signals <-chan os.Signal) error {
	err := m.keeper.run(signals)
	// All images are closed, so nothing can be lost here; a cluster that does not
	// answer must not keep the process.
	_, closeErr := within(connectTime, func() (struct{}, error) { return struct{}{}, m.pool.Close() })
	if closeErr != nil {
		m.keeper.logger.Warn("the connection to the cluster was not closed in order", "error", closeErr)
	}
	m.keeper.control.finish(err)
	return err
}
