// Command rbdfs mounts a Ceph RBD pool as a directory.
//
// # Structure
//
//	main.go            declares the commands, parses, exits
//	cmd_*.go           one command a file
//	flags_ceph.go      which cluster, and who asks: Ceph's own conventions
//	flags_image.go     how new and open images behave
//	value_*.go         types of flag values that check themselves
//	log.go             where the log goes, and in which form
//	log_file.go        the log in a file, which can be rotated
//	log_system.go      a daemon's log in the system's, by syslog.go and log_severity.go
//	defaults.go        the default of every flag, in one place
//	exitcodes.go       the exit codes, a sentence each
//	start_*.go         what must hold before a mount: directory, FUSE, cluster
//	hush.go            keeps libraries off stderr while connecting
//	background.go      the parent's half of --background; child.go the daemon's
//	serve*.go          the life of a mount: signals, unmounting, flushing
//	apply_*.go         what "rbdfs apply" reads, and the images that it writes to
//	mountinfo.go       what is mounted, by text
//	deadmount.go       takes mounts away whose connection has ended, and no others
//	holders*.go        who has a file of the mount open; never waits for one that is stuck
//	control.go         how "rbdfs umount" waits for the daemon's last flush
//
// # Signals
//
// SIGINT, SIGTERM and SIGQUIT ask to unmount. While something is open the mount
// goes on serving, and the log names the images and who holds them; the second
// such signal flushes everything, detaches the mount and exits. SIGHUP, sent
// when a terminal closes, asks but never counts as the second; with a log file it
// opens that anew instead, and a background daemon without one and a program under
// nohup(1) ignore it. SIGPIPE is ignored, so that a reader of the log who goes
// away does not end the mount. Only SIGKILL, and what the program cannot
// catch, ends it with writes not flushed.
//
// # Messages
//
// A command that fails writes one sentence on stderr, "rbdfs: " and what to do,
// and ends with its own exit code. What happens later goes to the log.
package main
