package main

// filesMutations take out what removing, replacing and purging rest on.
var filesMutations = []mutation{
	{
		name: "remove-hold", promise: "no mount purges what is open here",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestOpenImageThatCannotBeHeldIsNotRemoved",
		find: `if err := f.hold(); err != nil {
			return "", err
		}`,
		replace: "",
	},
	{
		name: "remove-settle", promise: "a removed image has its size",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestRemovedWhileOpenGoesOnUntilTheLastClose",
		find: `if err := f.Settle(); err != nil {
			return "", err
		}`,
		replace: "",
	},
	{
		name: "remove-late-hold", promise: "who opens during a remove is held",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestImageOpenedAsItIsRemovedIsHeldToo",
		find: `if err := f.hold(); err != nil {
		t.log`,
		replace: `if err := error(nil); err != nil {
		t.log`,
	},
	{
		name: "rename-settle", promise: "a renamed image has its size",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestRename",
		find: `err := f.Settle()
		t.Put(f)`,
		replace: `var err error
		t.Put(f)`,
	},
	{
		name: "rename-back", promise: "a failed rename brings the target back",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestRenameThatFailsLateRestores",
		find:    "return errors.Join(err, t.Restore(old, newName))",
		replace: "return err",
	},
	{
		name: "rename-grace", promise: "a cut-off rename leaves the target",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestCutOffRenameLeavesADayToBringTheTargetBack",
		find:    "max(t.keep, replaceGrace)",
		replace: "t.keep",
	},
	{
		name: "rename-kick", promise: "the target is purged after the rename alone",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestReplacedImageIsPurgedAtOnceAfterTheRename",
		find: "old, err := t.trash(newName, max(t.keep, replaceGrace))",
		replace: `old, err := t.trash(newName, max(t.keep, replaceGrace))
	t.purger.expire(old, true)
	t.purger.kick()
	time.Sleep(time.Second)`,
	},
	{
		name: "purge-open", promise: "nothing that is open is purged",
		file: "rbdio/files_trash.go", pkg: "rbdio", test: "TestPurgeOfAnImageThatIsOpenHereWaitsForItsLastClose",
		find:    "if t.open[e.ID] != nil {",
		replace: "if false {",
	},
	{
		name: "purge-opened", promise: "nothing that is purged is opened",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestImageCannotBeOpenedWhileItIsPurged",
		find:    "if t.purging == id {",
		replace: "if false {",
	},
	{
		name: "restore-expire", promise: "what was restored is not purged",
		file: "rbdio/files_trash.go", pkg: "rbdio", test: "TestRestoredImageIsKeptAsAnyOther",
		find: `t.purger.expire(id, false)
`,
		replace: "",
	},
	{
		name: "purge-claim", promise: "only what is ours is purged",
		file: "rbdio/purge.go", pkg: "rbdio", test: "TestPurgerLeavesWhatIsNotItsOwn",
		find:    "return claim == ClaimNow || claim == ClaimOurs && expired",
		replace: "return claim >= 0",
	},
	{
		name: "create-attr", promise: "no image without its attributes",
		file: "rbdio/files.go", pkg: "rbdio", test: "TestImageWithoutItsAttributesGoes",
		find:    "errors.Join(err, t.Remove(name))",
		replace: "err",
	},
}
