// Mutants takes out, one after the other, each flush, each wait and each ordering that
// a promise rests on, and shows that a test fails then:
//
//	go run ./tests/mutants [-only REGEXP] [-jobs N] [-all]
//
// A mutation is a text that stands once in a file, and what takes its place (the
// table_*.go). It is made in copies of the tree, below TMPDIR. A line for each says
// what is not kept then, and the test that failed; the exit status is not 0 when one
// survives, does not build or does not apply, or its test fails without it. Mutations
// that only a test with a cluster sees are tried where RBDFS_TEST_CLUSTER is set, as
// under cephdev run, and shown as not run elsewhere.
package main
