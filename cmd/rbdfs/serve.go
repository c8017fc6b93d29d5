package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"
)

// server is what keeps a mount going: *fs.Server, but for tests. Its methods may
// be called from several goroutines at once.
type server interface {
	Wait()
	Unmount() error
	Detach() error
	OpenImages() []string
	Close(ctx context.Context) error
}

// errDetached says that the mount is in use although it has left the tree.
var errDetached = errors.New("the mount is not in the directory tree any more")

// keeper keeps a mount until it may end. Only run's goroutine changes its fields.
type keeper struct {
	server  server
	control *control
	mount   mounted
	logger  *slog.Logger
	system  system

	asked   int        // signals so far that count, SIGHUP not among them
	attempt chan error // will have the answer of the Unmount under way; nil without one
	forced  bool       // the mount has been taken out of the tree while in use
	left    []leftover // what will be left dead
}

// system is what a keeper asks of the machine; tests have their own.
type system struct {
	holders func(mounted) []holder
	present func(mounted) bool
	inTree  func(mounted) []leftover
	clear   func(mounted) (cleared bool, left []leftover)
	sync    func(path string) error
}

// run returns when the mount is gone and all its writes are flushed.
func (k *keeper) run(signals <-chan os.Signal) error {
	gone := make(chan struct{})
	go func() {
		k.server.Wait()
		close(gone)
	}()
	for !k.forced {
		select {
		case <-gone:
			k.control.closing()
			k.ended()
			return k.finish(signals)
		case sig := <-signals:
			k.signalled(sig)
		case err := <-k.attempt:
			k.attempt = nil
			k.attempted(err, gone)
		}
	}
	return k.finish(signals)
}

// ended frees the directory when the kernel has ended the connection and the mount
// has stayed: umount -f does so to a mount in use, and root can by sysfs.
func (k *keeper) ended() {
	if len(k.system.inTree(k.mount)) == 0 {
		return
	}
	users := k.users() // while the holders' files are still in the tree
	cleared, left := k.system.clear(k.mount)
	if !cleared && len(left) == 0 {
		return // it has gone meanwhile
	}
	k.left = left
	k.logger.Warn("the kernel ended the connection (umount -f, or an abort): files that are open cannot be used any more", users...)
}

// finish flushes, and tells of a dead mount that is left.
func (k *keeper) finish(signals <-chan os.Signal) error {
	err := k.flush(signals)
	if len(k.left) > 0 {
		k.logger.Error("a dead mount is left; remove it with "+leftText(k.left), "dir", k.mount.path)
	}
	switch {
	case err != nil:
		return failf(exitFlush, "not everything that was written to %q reached the cluster: %v; check the images and the cluster", k.mount.path, err)
	case len(k.left) > 0:
		return failf(exitLeftDead, "everything is flushed, but a dead mount is left; remove it with %s", leftText(k.left))
	default:
		k.logger.Info("unmounted, everything is flushed", "dir", k.mount.path)
		return nil
	}
}

// signalled begins to unmount. umount(2) may wait for the cluster, so that
// further signals have to be heard meanwhile.
func (k *keeper) signalled(sig os.Signal) {
	if sig != syscall.SIGHUP {
		k.asked++
	}
	if k.attempt != nil {
		return
	}
	k.logger.Info("unmounting", "signal", sig.String())
	answer := make(chan error, 1)
	k.attempt = answer
	go func() {
		// What is mounted there now may be another daemon's.
		if !k.system.present(k.mount) {
			answer <- errDetached
			return
		}
		answer <- k.server.Unmount()
	}()
}

// attempted goes on after Unmount: it tells why the mount is still there, or
// takes it off by force if that was asked for twice.
func (k *keeper) attempted(err error, gone <-chan struct{}) {
	switch {
	case err == nil:
		k.awaitNamespaces(gone)
	case k.asked > 1:
		k.force()
	default:
		k.explain(err)
	}
}

// explain logs who keeps the mount from being unmounted.
func (k *keeper) explain(err error) {
	const again = "close the files, or send the signal again to flush, detach and exit"
	switch {
	case errors.Is(err, syscall.EBUSY):
		k.logger.Warn("the mount is in use and goes on serving; "+again, k.users()...)
	case errors.Is(err, errDetached):
		k.logger.Warn("the mount was detached, but is in use and goes on serving; "+again, k.users()...)
	default:
		k.logger.Error("the mount cannot be unmounted and goes on serving; "+again, "dir", k.mount.path, "error", err)
	}
}

// users are the log's attributes for who uses the mount.
func (k *keeper) users() []any {
	return []any{
		"dir", k.mount.path,
		"images", strings.Join(k.server.OpenImages(), ", "),
		"holders", holderText(k.system.holders(k.mount)),
	}
}

// awaitNamespaces tells, should the end not come soon after an unmount, that
// containers still see the mount in their own namespaces.
func (k *keeper) awaitNamespaces(gone <-chan struct{}) {
	go func() {
		select {
		case <-gone:
		case <-time.After(reportEvery):
			k.logger.Warn("unmounted here, but in use by another mount namespace and served until that ends, or until the signal is sent again", k.users()...)
		}
	}()
}

// force writes back what programs have changed in mapped memory, and takes the
// mount out of the tree. Whoever has a file open gets errors from then on.
func (k *keeper) force() {
	k.forced = true
	k.control.closing()
	k.logger.Warn("ending the mount while it is in use", k.users()...)
	if k.system.present(k.mount) {
		if err := k.system.sync(k.mount.path); err != nil {
			k.logger.Warn("mapped memory could not be written back", "error", err)
		}
		if err := k.server.Detach(); err != nil {
			k.logger.Error("the mount cannot be detached and will be left dead", "dir", k.mount.path, "error", err)
		}
	}
	k.left = k.system.inTree(k.mount)
}

// flush waits until everything written is on the OSDs, however long that takes:
// the cluster may be away, and come back. Only SIGKILL gives the writes up.
func (k *keeper) flush(signals <-chan os.Signal) error {
	done := make(chan error, 1)
	go func() { done <- k.server.Close(context.Background()) }()
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-signals:
		case <-tick.C:
		}
		k.logger.Warn("still flushing; kill -9 gives up what is not written", "dir", k.mount.path, "images", strings.Join(k.server.OpenImages(), ", "))
	}
}
