// Package leaks wears a daemon out, by thousands of short uses and by hundreds of
// images at once, and looks for what it does not give back: descriptors, threads
// and watchers (harness.Mount.Check), and memory.
package leaks
