// Bench measures rbdfs against what its user would otherwise pick, in one run, on
// a throwaway cluster or on a real one:
//
//	tests/go run ./tests/bench [-quick] [-scale] [-only REGEXP] [-contestants LIST]
//	    [-runs N] [-runtime D] [-out DIR] [-readme README.md]
//
// It needs the program, built, as ./rbdfs or as RBDFS_BIN says, and runs in the
// module's root, as root.
//
// # How it measures
//
// A workload has contestants, which run in turn, A B C A B C, and the figures are
// medians. Only the ratios of one run mean something on a machine that is not
// yours. A contestant's daemon is started for each run and ended after it, and
// the next one waits until nobody has the image open any more. A contestant may
// run only after what it reads was found to be what librbd wrote, and what it
// wrote to be what librbd reads (verify.go): answering zeros is no way to win.
//
// All of them run as their users have them, with librbd's defaults. That includes
// its cache, which is in write-back from the first flush on. fio's rbd engine
// begins with one, qemu gets one as from a guest, and rbd-fuse has none unless a
// program asks for it, which fio does not.
//
// CPU is that of the client: of the program that does the I/O, and of the daemon
// that serves it. For fio both are sampled inside the measured time, so that
// neither starting nor ramping up counts (meter.go).
//
// # Files
//
//	main.go, settings.go     flags; sizes and counts, full and quick
//	place.go, images.go      the cluster, its pool, images and namespaces
//	process.go, usage.go     daemons and commands; what the kernel says of them
//	contestant_*.go          who serves an image to fio, one a file
//	workload_*.go            what is measured, one family a file
//	run.go, result.go        turns; samples, medians, ratios
//	bars.go                  what must be reached, and whether it was
//	report_*.go, chart.go    text, Markdown, JSON, README, SVG
//	scale*.go                cost as work grows (-scale)
//	memfs                    the file system that answers from memory
//
// A new workload is a function that returns workloads, listed in workloads().
package main
