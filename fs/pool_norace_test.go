//go:build !race

package fs

const poolsForget = false
