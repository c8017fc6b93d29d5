package main

// snapshotMutations take out what snapshots, groups and apply rest on.
var snapshotMutations = []mutation{
	{
		name: "snap-still", promise: "a snapshot has what was written",
		file: "snapshots/tree.go", pkg: "snapshots", test: "TestSnapshotHasWhatThisMountWrote",
		find:    "return f.Still(take)",
		replace: "return take()",
	},
	{
		name: "group-still", promise: "a group snapshot has what was written",
		file: "snapshots/group.go", pkg: "snapshots", test: "TestGroupSnapshotHasWhatWasWritten",
		find:    "return f.Still(rest)",
		replace: "return rest()",
	},
	{
		name: "group-order", promise: "group snapshots do not wait for each other",
		file: "snapshots/group.go", pkg: "snapshots", test: "TestManySnapshotsAtOnce",
		find: `slices.Sort(ids)
`,
		replace: `_ = slices.Sorted[string]
`,
	},
	{
		name: "group-hold", promise: "who opens during a group snapshot waits",
		file: "snapshots/group.go", pkg: "snapshots", test: "TestWhoOpensDuringAGroupSnapshotWaits",
		find:    "f := g.files.Hold(ids[0])",
		replace: "f := g.files.Get(ids[0])",
	},
	{
		name: "apply-sync", promise: "the snapshot of apply has all",
		file: "snapshots/apply_pool.go", pkg: "snapshots", test: "TestApply",
		find:    "err := t.img.Flush()",
		replace: "var err error",
	},
	{
		name: "apply-start", promise: "apply starts where the stream does",
		file: "snapshots/apply.go", pkg: "snapshots", test: "TestApplyRefuses",
		find:    "err := standsAt(ctx, t, undoNow, from)",
		replace: "err := error(nil)",
	},
	{
		name: "apply-check", promise: "a bad stream changes nothing",
		file: "snapshots/apply.go", pkg: "snapshots", test: "TestCutOffStreamIsNotBegun",
		find:    "d, err := CheckStream(ctx, stream, length)",
		replace: "d, err := NewStreamDecoder(stream, length)",
	},
	{
		name: "apply-back", promise: "a failed apply puts the image back",
		file: "snapshots/apply.go", pkg: "snapshots", test: "TestApplyRefuses",
		find:    "undoErr := putBack(t, undo); undoErr != nil",
		replace: "undoErr := error(nil); undoErr != nil",
	},
	{
		name: "apply-take", promise: "the snapshot is there when the undo goes",
		file: "snapshots/apply.go", pkg: "snapshots", test: "TestApplyFailsAnywhere",
		find: "err = take(t, d.To)",
		replace: `if err = t.Unsnap(undo); err == nil {
			err = take(t, d.To)
		}`,
	},
	{
		name: "undo-sync", promise: "the undo goes when the image is back",
		file: "snapshots/apply_undo.go", pkg: "snapshots", test: "TestRecover",
		find: `if err == nil {
		err = t.Sync()
	}
	if err != nil {
		return err
	}
	return errors.Join`,
		replace: `if err != nil {
		return err
	}
	return errors.Join`,
	},
	{
		name: "undo-tail", promise: "putting back writes what was cut off",
		file: "snapshots/apply_undo.go", pkg: "snapshots", test: "TestApplyFailsAnywhere",
		find:    "err == nil && size < was.Size()",
		replace: "false",
	},
}
