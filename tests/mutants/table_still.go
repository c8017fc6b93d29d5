package main

// stillMutations take out what makes a snapshot have all.
var stillMutations = []mutation{
	{
		name: "snapshot-flush", promise: "a snapshot has what was written",
		file: "rbdio/file_still.go", pkg: "rbdio", test: "TestSnapshotHasWhatWasWritten",
		find:    "now, err := physical, f.flushImage(l)",
		replace: "now, err := physical, error(nil)",
	},
	{
		name: "snapshot-quiet", promise: "writes wait for a snapshot",
		file: "rbdio/file_still.go", pkg: "rbdio", test: "TestWritesWaitForTheSnapshot",
		find: `f.quietLocked()
	defer f.resumeLocked()`,
		replace: "",
	},
	{
		name: "snapshot-lost", promise: "no snapshot of what is lost",
		file: "rbdio/file_still.go", pkg: "rbdio", test: "TestSnapshotTellsOfALostWriteOnce",
		find:    "if lost := f.tellStill(); err == nil {",
		replace: "if lost := error(nil); err == nil {",
	},
	{
		name: "snapshot-settle", promise: "a snapshot has the size",
		file: "rbdio/file_still.go", pkg: "rbdio", test: "TestSnapshotHasWhatWasWritten",
		find:    "now, err = stillImage(l.rw, size, physical)",
		replace: "_ = size",
	},
	{
		name: "snapshot-opener", promise: "who opens during a snapshot waits",
		file: "rbdio/file_still.go", pkg: "rbdio", test: "TestStillBeforeAnImageIsOpen",
		find:    "f.stills++",
		replace: "f.stills += 0",
	},
}
