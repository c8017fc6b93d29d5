package fs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"rbdfs/fs/loop"
	"rbdfs/rbdio"
	"rbdfs/snapshots"
)

// SnapDir says whether a listing of the mount shows .snap, .trash and .group.
type SnapDir string

// The values of SnapDir.
const (
	SnapDirHidden  SnapDir = "hidden"
	SnapDirVisible SnapDir = "visible"
)

// Config is what a mount needs to know.
type Config struct {
	Dir        string // where to mount
	Source     string // POOL[/NAMESPACE], as df and mount show it
	ReadOnly   bool
	UID, GID   uint32 // the owner of files whose owner is not kept with the image
	FileMode   uint32 // the permissions of files without kept ones
	DirMode    uint32 // the permissions of directories
	AllowOther bool
	SnapDir    SnapDir
	TrashKeep  time.Duration // how long a removed image can be brought back
	NoExtents  bool          // show every file as data
	DataPath   DataPath      // DataPathC if empty
	Logger     *slog.Logger
	Debug      bool // log every kernel request
}

// fresh is how long the kernel may believe what it was told of a name or a file:
// another host's change must show within a second.
const fresh = 900 * time.Millisecond

var bg = context.Background()

// mount is what all nodes of one mount share.
type mount struct {
	pool      rbdio.Pool
	files     *rbdio.Files
	snaps     *snapshots.Tree
	groups    *snapshots.Groups
	conf      Config
	log       *slog.Logger
	ids       identities
	ahead     listing
	times     dirTimes
	transfers transferPool
	loop      *loop.Loop // nil for DataPathGo

	// directWrites says that the kernel drops what is cached of a range when it is
	// written past the cache: Linux 6.6, fs/fuse/file.c: fuse_direct_io.
	directWrites atomic.Bool
}

// Server is a mounted pool.
type Server struct {
	m         *mount
	transport transport
	dir       string
	close     sync.Once
	closeErr  error
}

// Mount mounts pool on conf.Dir and serves it. The mount answers requests when
// Mount returns.
func Mount(pool rbdio.Pool, conf Config) (*Server, error) {
	m := &mount{pool: pool, conf: conf, log: conf.Logger}
	m.ids.key = pool.Key()
	m.times.mounted = time.Now()
	var err error
	if m.loop, err = newLoop(m); err != nil {
		return nil, err
	}
	opts := rbdio.FilesOptions{
		TrashKeep: conf.TrashKeep,
		NoExtents: conf.NoExtents,
		ReadOnly:  conf.ReadOnly,
		Logger:    conf.Logger,
		Name:      m.ids.name,
	}
	if m.loop != nil {
		opts.Gate = m.gate
	}
	m.files = rbdio.NewFiles(pool, opts)
	m.snaps = snapshots.New(pool, m.files, snapshots.Options{NoExtents: conf.NoExtents, Logger: conf.Logger})
	m.groups = snapshots.NewGroups(pool, m.files)
	t, err := serve(m)
	if err != nil {
		m.snaps.Close()
		return nil, errors.Join(err, m.files.Close())
	}
	raiseReadAhead(conf.Dir, m.log)
	return &Server{m: m, transport: t, dir: conf.Dir}, nil
}

// Wait returns when the file system is unmounted, by whomever.
func (s *Server) Wait() { s.transport.Wait() }

// Unmount unmounts the file system; EBUSY while something in it is in use.
func (s *Server) Unmount() error { return unmount(s.dir, 0) }

// Detach takes the file system out of the directory tree at once. Whoever has
// a file of it open keeps it until the process ends.
func (s *Server) Detach() error { return unmount(s.dir, syscall.MNT_DETACH) }

// OpenImages returns the names of the images that are open, as files are named.
func (s *Server) OpenImages() []string {
	var names []string
	for _, id := range s.m.files.OpenIDs() {
		names = append(names, s.m.ids.name(id))
	}
	for _, id := range s.m.snaps.OpenImages() {
		names = append(names, "a snapshot of "+s.m.ids.name(id))
	}
	return names
}

// Close flushes and closes every image, whoever still has it open. It returns
// the errors that kept written data from the OSDs, or ctx's when that ends
// first. It is called after the file system was unmounted or detached.
func (s *Server) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.close.Do(func() {
			s.closeErr = s.m.files.Close()
			s.m.snaps.Close()
			s.m.logTotals()
		})
		close(done)
	}()
	select {
	case <-done:
		return s.closeErr
	case <-ctx.Done():
		return ctx.Err()
	}
}
