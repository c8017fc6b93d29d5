//go:build race

package fs

// poolsForget: under the race detector sync.Pool drops some of what it is given.
const poolsForget = true
