package main

import (
	"strings"
	"testing"
)

// reportOf makes a report of one workload by the medians of its contestants.
func reportOf(workload, reference string, medians map[string]sample) *report {
	r := result{Name: workload, Title: "the title", Unit: "op", Reference: reference}
	for name, s := range medians {
		r.Entries = append(r.Entries, entry{Contestant: name, Samples: []sample{s}})
	}
	r.compute()
	return &report{Workloads: []result{r}}
}

// verdictOf finds the verdict whose text and wish hold these words.
func verdictOf(t *testing.T, r *report, what, wanted string) verdict {
	t.Helper()
	for _, v := range r.verdicts() {
		if strings.Contains(v.What, what) && strings.Contains(v.Wanted, wanted) {
			return v
		}
	}
	t.Fatalf("no verdict on %q, %q in %+v", what, wanted, r.verdicts())
	return verdict{}
}

// TestBars: each kind of bar, met by just enough and missed by a little.
func TestBars(t *testing.T) {
	librbd, qemu, memory := sample{Rate: 100, CPU: 100}, sample{Rate: 70}, sample{Rate: 1000, CPU: 40}
	for _, tc := range []struct {
		name, workload, reference string
		medians                   map[string]sample
		what, wanted              string
		met                       bool
	}{
		{"ratio", "randread-4k-1", "librbd", map[string]sample{"rbdfs": {Rate: 83}, "librbd": librbd}, "rbdfs", "0.83 of librbd", true},
		{"ratio missed", "randread-4k-1", "librbd", map[string]sample{"rbdfs": {Rate: 82.9}, "librbd": librbd}, "rbdfs", "0.83 of librbd", false},
		{"qemu", "read-1m-8", "librbd", map[string]sample{"rbdfs": {Rate: 70}, "qemu-storage-daemon": qemu}, "rbdfs", "qemu", true},
		{"qemu missed", "read-1m-8", "librbd", map[string]sample{"rbdfs": {Rate: 69}, "qemu-storage-daemon": qemu}, "rbdfs", "qemu", false},
		{"rbd-fuse", "write-1m-8", "librbd", map[string]sample{"rbdfs": {Rate: 50}, "rbd-fuse": {Rate: 11}}, "rbdfs", "5.00 of rbd-fuse", false},
		{"CPU", "randread-4k-1", "librbd", map[string]sample{"rbdfs": {CPU: 165}, "librbd": librbd, "memory": memory}, "CPU", "memory", true},
		{"CPU missed", "randread-4k-1", "librbd", map[string]sample{"rbdfs": {CPU: 166}, "librbd": librbd, "memory": memory}, "CPU", "memory", false},
		{"command", "ls-cold", "rbd ls -l", map[string]sample{"rbdfs": {Rate: 299}, "rbd ls -l": {Rate: 100}}, "rbdfs", "3.00", false},
		{"second list", "ls-again", "", map[string]sample{"rbdfs": {Seconds: 0.49}}, "rbdfs", "0.5 s", true},
		{"memory", "busy", "", map[string]sample{"rbdfs": {RSS: 1 << 30}}, "memory", "1024 MiB", false},
		{"psync", "randwrite-4k-16", "librbd", map[string]sample{"rbdfs psync": {Rate: 85}, "librbd": librbd}, "psync", "0.85", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if v := verdictOf(t, reportOf(tc.workload, tc.reference, tc.medians), tc.what, tc.wanted); v.Met != tc.met {
				t.Errorf("met is %v, want %v: %+v", v.Met, tc.met, v)
			}
		})
	}
}

// TestBarsWithoutFigures: what was not measured is not judged.
func TestBarsWithoutFigures(t *testing.T) {
	r := reportOf("randread-4k-1", "librbd", map[string]sample{"librbd": {Rate: 100}, "memory": {Rate: 1}})
	if v := r.verdicts(); len(v) != 0 {
		t.Errorf("verdicts without figures of rbdfs: %+v", v)
	}
}

// TestBarsName: every bar is about a workload and contestants that there are.
func TestBarsName(t *testing.T) {
	b := &bench{settings: full}
	names := map[string]bool{}
	for _, w := range workloads(b) {
		names[w.name] = true
		for _, c := range w.contestants {
			names[w.name+"/"+c.name] = true
		}
		if w.reference != "" && !names[w.name+"/"+w.reference] {
			t.Errorf("%s: no contestant is the reference %q", w.name, w.reference)
		}
	}
	for _, r := range rates {
		if !names[r.workload+"/"+r.contestant] {
			t.Errorf("%s, %s: not measured", r.workload, r.contestant)
		}
	}
	for _, c := range commands {
		if !names[c.workload+"/"+c.contestant] {
			t.Errorf("%s, %s: not measured", c.workload, c.contestant)
		}
	}
	for _, bar := range bars() {
		if !names[bar.workload] {
			t.Errorf("%s: not measured", bar.workload)
		}
	}
}
