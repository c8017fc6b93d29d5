// Package diff tests the streams of what changed between snapshots, on a real
// mount of a real cluster.
package diff
