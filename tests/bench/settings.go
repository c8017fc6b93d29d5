package main

import "time"

// settings are the sizes and counts of a run, sizes in bytes.
type settings struct {
	quick bool // only the workloads that say so

	runs          int
	ramp, runtime time.Duration // of each fio run; librbd's write cache fills up in the first
	image         int64         // the image that fio runs on, prefilled

	dense              int64 // a file that is all data
	sparse, sparseData int64 // one with holes, and its data
	golden, goldenData int64 // the image that is cloned

	changed int64 // the image that changes

	images    int // in a pool, for listings
	used      int // with data, for du
	opened    int // open and busy at once
	snapshots int // of one image
}

var full = settings{
	runs: 3, ramp: 2 * time.Second, runtime: 5 * time.Second, image: 1 << 30,
	dense: 1 << 30, sparse: 4 << 30, sparseData: 1 << 30,
	golden: 100 << 30, goldenData: 1 << 30, changed: 10 << 30,
	images: 10000, used: 1000, opened: 200, snapshots: 300,
}

var quick = settings{
	quick: true,
	runs:  3, ramp: 500 * time.Millisecond, runtime: time.Second, image: 256 << 20,
	dense: 128 << 20, sparse: 512 << 20, sparseData: 128 << 20,
	golden: 10 << 30, goldenData: 64 << 20, changed: 1 << 30,
	images: 300, used: 50, opened: 50, snapshots: 10,
}
