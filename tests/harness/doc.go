// Package harness runs the real rbdfs program for the tests: built once, in a
// process of its own, mounted on a pool of a real Ceph (package cluster).
//
// A test folder is a mount setup. Its TestMain calls Main, which gets a cluster
// (that of the environment, or its own), makes a fresh pool, mounts it and runs
// the tests; Env then has all three. A test that needs other flags, a second
// mount or a daemon to kill makes its own with Env.Start. Must, Want, Soon and the
// like are what tests say most; a folder has short names for those that it needs.
//
// # What is checked
//
//   - The log: a warning, an error or a line that is not slog's fails the test
//     in which it appears (Mount.Check), or the package if no test was running,
//     unless ExpectLog named it.
//   - Leaks, by Mount.Check after each test and by Main at the end: descriptors
//     and Ceph's threads of the daemon back to what they were, no watcher left on
//     an image (rbd status), no mount left.
//
// # What is left behind
//
// Nothing, however the tests end. The daemon dies with the test process. The
// mount and the pool of a process that was killed, or that panicked, are removed
// by a janitor: a shell that waits for the end of a pipe from the process.
// SIGINT, SIGTERM and SIGHUP clean up in order.
//
// # Environment
//
//	RBDFS_BIN            the program to test; built by "go build" otherwise
//	RBDFS_TEST_CLUSTER   see package cluster
//	RBDFS_TEST_CONF      see package cluster
//	RBDFS_LONG           1 runs the long forms of tests, see Long
//
// # Concurrency
//
// All methods may be called from several goroutines at once.
package harness
