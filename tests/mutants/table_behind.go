package main

// behindMutations take out what the C of the data path orders.
var behindMutations = []mutation{
	{
		name: "behind-overlap", promise: "writes of the same bytes keep their order",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find: `if (overlaps(b, p->begin, p->end))
		return false;`,
		replace: "",
	},
	{
		name: "behind-turn", promise: "who waits is not overtaken",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find:    "if (b->waiting == NULL && has_turn(b, p)) {",
		replace: "if (has_turn(b, p)) {",
	},
	{
		name: "behind-lost", promise: "every lost write is counted",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find:    "b->lost++;",
		replace: "",
	},
	{
		name: "behind-flush", promise: "a flush waits for writes behind",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find: "while (b->oldest != NULL && b->oldest->number <= number)",
		replace: `(void)number;
	while (false)`,
	},
	{
		name: "behind-through", promise: "writes go through while they fail",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find:    "b->failing = true;",
		replace: "",
	},
	{
		name: "behind-await", promise: "a discard and a resize wait for writes behind",
		file: "rbdio/librbd/behind.c", pkg: "tests/sanitize", test: "TestSanitized/rbdio/librbd/address",
		find: "while (overlaps(b, off, off + len))",
		replace: `(void)off, (void)len;
	while (false)`,
	},
	{
		name: "loop-close", promise: "closing a gate waits for what is in flight",
		file: "fs/loop/gate.c", pkg: "tests/sanitize", test: "TestSanitized/fs/loop/address",
		find:    "while (gate->in_flight > 0)",
		replace: "while (false)",
	},
	{
		name: "loop-order", promise: "a write counts before the map has it",
		file: "fs/loop/gate.c", pkg: "tests/sanitize", test: "TestSanitized/fs/loop/address",
		find: `__atomic_add_fetch(&g->writing, 1, __ATOMIC_SEQ_CST);
	moved(g);`,
		replace: `moved(g);
	__atomic_add_fetch(&g->writing, 1, __ATOMIC_SEQ_CST);`,
	},
	{
		name: "loop-map", promise: "what has passed is in the map",
		file: "fs/loop/gate.c", pkg: "tests/sanitize", test: "TestSanitized/fs/loop/address",
		find:    "__atomic_or_fetch(&g->map[bit / 64], 1ull << bit % 64, __ATOMIC_SEQ_CST);",
		replace: ";",
	},
}
