package main

// handleMutations take out what an open file description does.
var handleMutations = []mutation{
	{
		name: "fsync-flush", promise: "fsync: all is on the OSDs",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestCrashKeepsWhatWasFsynced",
		find:    "err := h.file.fsync()",
		replace: "var err error",
	},
	{
		name: "fsync-losses", promise: "fsync tells of lost writes",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestFsyncTellsOfAFlushThatFailedForOthers",
		find: `err := h.file.fsync()
		count, lost := h.file.lostSince(since)`,
		replace: `err := h.file.fsync()
		count, lost := since, error(nil)`,
	},
	{
		name: "fsync-advance", promise: "fsync tells of a lost write once",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestFsyncOfAFlushThatFailsBesideItFails",
		find: `h.advance(count)
		return first`,
		replace: "return first",
	},
	{
		name: "close-advance", promise: "close takes no error away",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestEachHandleHearsOfALostWrite",
		find: `err := h.file.clean()
		count, lost := h.file.lostSince(since)`,
		replace: `err := h.file.clean()
		count, lost := h.file.lostSince(since)
		h.advance(count)`,
	},
	{
		name: "close-flush", promise: "close: all is on the OSDs",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestTimeThatCannotBeKeptIsTriedAgain",
		find:    "err := h.file.clean()",
		replace: "var err error",
	},
	{
		name: "close-losses", promise: "close tells of lost writes",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestEachHandleHearsOfALostWrite",
		find: `err := h.file.clean()
		count, lost := h.file.lostSince(since)`,
		replace: `err := h.file.clean()
		count, lost := since, error(nil)`,
	},
	{
		name: "open-place", promise: "an open tells nothing of what was before",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestEachHandleHearsOfALostWrite",
		find:    "h.told.Store(lost)",
		replace: "_ = lost",
	},
	{
		name: "call-reference", promise: "a call outlives its handle",
		file: "rbdio/handle.go", pkg: "rbdio", test: "TestFilesCloseFlushesWhatIsOpen",
		find:    "h.file.refs++",
		replace: "",
	},
}
