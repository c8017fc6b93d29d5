package main

import (
	"os"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// Defaults of the flags. Where a flag has none here, Ceph's own setting holds
// (rbd_default_order, rbd_default_features, rbd_default_data_pool).
const (
	defaultFileMode  = "0600"
	defaultDirMode   = "0700"
	defaultCache     = "writeback"
	defaultSnapDir   = "hidden"
	defaultDataPath  = "c"
	defaultTrashKeep = "0s"
	defaultIOTimeout = "0s"
	defaultLogFormat = "text"
	defaultLogLevel  = "info"
)

// Bounds that are not flags.
const (
	// dataCalls and metaCalls are how many calls may be inside librbd at once,
	// for data and for all the rest: each blocked call pins an OS thread, and
	// Go dies at 10,000 of them, exactly when the cluster is slow.
	dataCalls = 256
	metaCalls = 64

	// dirTime is how long a directory may take to be looked at: behind it may
	// be a mount whose daemon hangs.
	dirTime = 3 * time.Second
	// connectTime is how long the cluster may take to answer. It is less than
	// startTime, so that a daemon explains itself before its parent ends it.
	connectTime = 8500 * time.Millisecond
	// startTime is how long --background waits for a mount that answers.
	startTime = 9500 * time.Millisecond
	// killGrace is how long a daemon may take to end after SIGTERM.
	killGrace = 500 * time.Millisecond
	// scanTime is how long the search for who holds a mount looks at mappings, and
	// mapsTime how long at those of one process.
	scanTime = 5 * time.Second
	mapsTime = 200 * time.Millisecond
	// processTime is how long it looks at one process, and mostStuck how many may
	// take longer.
	processTime = time.Second
	mostStuck   = 5
	// helloTime is how long a daemon may take to answer "rbdfs umount".
	helloTime = time.Second
	// acceptPause is how long the control socket waits after it could not accept.
	acceptPause = 100 * time.Millisecond
	// forceTime is how long an "umount -f" has to take a mount away after it has
	// ended the connection.
	forceTime = time.Second
	// logRetry is how long the system's log has until it is tried again, and logGrace
	// how long the end waits for it. mostQueued is how many bytes wait for it, and
	// mostLine how long a line may be.
	logRetry   = time.Second
	logGrace   = 2 * time.Second
	mostQueued = 1 << 20
	mostLine   = 32 << 10
	// reportEvery is how often the log tells that a shutdown still waits.
	reportEvery = 10 * time.Second
)

// defaultVars shows the defaults to kong, for flags and their help.
func defaultVars() kong.Vars {
	return kong.Vars{
		"uid":        strconv.Itoa(os.Getuid()),
		"gid":        strconv.Itoa(os.Getgid()),
		"file_mode":  defaultFileMode,
		"dir_mode":   defaultDirMode,
		"cache":      defaultCache,
		"snapdir":    defaultSnapDir,
		"data_path":  defaultDataPath,
		"trash_keep": defaultTrashKeep,
		"io_timeout": defaultIOTimeout,
		"log_format": defaultLogFormat,
		"log_level":  defaultLogLevel,
	}
}
