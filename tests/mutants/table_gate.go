package main

// gateMutations take out what keeps writes that pass by the file in order.
var gateMutations = []mutation{
	{
		name: "gate-resizing", promise: "nothing passes during a resize",
		file: "rbdio/gate.go", pkg: "rbdio", test: "TestGateCloses",
		find:    "f.switching || f.resizing ||",
		replace: "f.switching ||",
	},
	{
		name: "gate-stills", promise: "nothing passes during a snapshot",
		file: "rbdio/gate.go", pkg: "rbdio", test: "TestGateCloses",
		find:    "f.stills > 0 || ",
		replace: "",
	},
	{
		name: "gate-switching", promise: "nothing passes while the image is exchanged",
		file: "rbdio/gate.go", pkg: "rbdio", test: "TestGateChangesTheImage",
		find:    "f.switching || f.resizing",
		replace: "f.resizing",
	},
	{
		name: "gate-fenced", promise: "nothing passes when cut off",
		file: "rbdio/gate.go", pkg: "rbdio", test: "TestGateIsShutWhenFenced",
		find:    "f.late > 0 || f.fenced ||",
		replace: "f.late > 0 ||",
	},
	{
		name: "gate-quiet", promise: "a resize and a snapshot wait for what passes",
		file: "rbdio/file_size.go", pkg: "rbdio", test: "TestGateCloses",
		find: `f.mu.Unlock()
	f.gate.Close()
	f.mu.Lock()
	for f.writes > 0 {`,
		replace: "for f.writes > 0 {",
	},
	{
		name: "gate-switch", promise: "an exchange waits for what passes",
		file: "rbdio/file_lease.go", pkg: "rbdio", test: "TestGateChangesTheImage",
		find: `f.gate.Close()
	l, size`,
		replace: "l, size",
	},
	{
		name: "gate-lower", promise: "an exchange waits for what passes",
		file: "rbdio/file.go", pkg: "rbdio", test: "TestGateChangesTheImage",
		find: `f.gate.Close()
	err := f.clean()
	f.mu.Lock()
	f.switching`,
		replace: `err := f.clean()
	f.mu.Lock()
	f.switching`,
	},
	{
		name: "gate-last-close", promise: "the last close waits for what passes",
		file: "rbdio/file.go", pkg: "rbdio", test: "TestGateCloses",
		find: `f.gate.Close()
	err := f.clean()
	f.mu.Lock()
	f.lease`,
		replace: `err := f.clean()
	f.mu.Lock()
	f.lease`,
	},
	{
		name: "absorb-flush", promise: "what has passed is flushed",
		file: "rbdio/file_io.go", pkg: "rbdio", test: "TestPassedWritesAreFlushed",
		find:    "passing := f.absorbLocked()",
		replace: "passing := false",
	},
	{
		name: "absorb-flushed", promise: "what passes beside a flush is flushed by the next",
		file: "rbdio/file_io.go", pkg: "rbdio", test: "TestWriteBesideAnFsyncInAllOrders",
		find: `f.absorbLocked()
	f.full`,
		replace: "f.full",
	},
	{
		name: "passing-beside", promise: "what passes during a flush is flushed by the next",
		file: "rbdio/gate.go", pkg: "rbdio", test: "TestWriteBesideAnFsyncInAllOrders",
		find:    "return p.Writing > 0",
		replace: "return false",
	},
}
