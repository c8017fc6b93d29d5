package main

// clusterMutations need a cluster: what the real pool does.
var clusterMutations = []mutation{
	{
		name: "librbd-flush", promise: "fsync waits for writes behind",
		file: "rbdio/librbd/image_io.go", pkg: "rbdio/librbd", test: "TestOutage", cluster: true,
		find:    "C.rbdfs_behind_flush(i.behind)",
		replace: "",
	},
	{
		name: "librbd-resize", promise: "no write behind lands after a resize",
		file: "rbdio/librbd/image_io.go", pkg: "rbdio/librbd", test: "TestShrinkAfterWritesBehind", cluster: true,
		find:    "i.await(size, math.MaxUint64-size)",
		replace: "_ = uint64(math.MaxUint64)",
	},
	{
		name: "librbd-zeroes", promise: "no write behind lands after a discard",
		file: "rbdio/librbd/image_io.go", pkg: "rbdio/librbd", test: "TestImageModel", cluster: true,
		find:    "i.await(fileOff, length)",
		replace: "",
	},
}
