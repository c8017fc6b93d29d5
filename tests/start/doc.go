// Package start tests how the program rbdfs starts and ends: every failure to
// start with its exit code, --background, signals, "rbdfs umount" and what is
// left behind. Each test runs the real binary, in processes of its own, on the
// cluster that package cluster finds or makes.
//
// The binary is that of RBDFS_BIN; without it, it is built, with the build tag
// in GOFLAGS (tests/go sets it).
package start
