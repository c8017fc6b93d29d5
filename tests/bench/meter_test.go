package main

import (
	"os"
	"testing"
	"time"
)

// TestCores: the load between two moments, whatever was before and after.
func TestCores(t *testing.T) {
	const s = time.Second
	m := &meter{points: []point{{0, 0}, {s, 5 * s}, {2 * s, 6 * s}, {3 * s, 8 * s}, {4 * s, 8 * s}}}
	if got := m.cores(s, 3*s); got != 1.5 {
		t.Errorf("%v cores, want 1.5", got)
	}
	for _, from := range []time.Duration{3*s + 1, 5 * s} {
		if got := m.cores(from, 8*s); got != 0 {
			t.Errorf("%v cores after %v, where there are too few samples", got, from)
		}
	}
}

// TestParseUsage: the name of a program may hold what separates fields.
func TestParseUsage(t *testing.T) {
	const stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 7 8 20 0 13 0 100 1 2"
	const status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t13\n"
	got, err := parseUsage(stat, status)
	want := usage{cpu: 2 * time.Second, threads: 13, rss: 1 << 20, peak: 2 << 20}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := parseUsage("42 (a) S 1", status); err == nil {
		t.Error("no error for a line that is too short")
	}
}

// TestUsageOf: this process has what a process has.
func TestUsageOf(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil || u.threads < 1 || u.rss == 0 || u.peak < u.rss {
		t.Errorf("%+v, %v", u, err)
	}
	if filesOf(os.Getpid()) < 3 {
		t.Error("fewer than 3 descriptors")
	}
}
