package main

import "testing"

// TestMedians: each figure by itself, and the mean of two in the middle.
func TestMedians(t *testing.T) {
	m := medians([]sample{{Rate: 3, Mean: 10, RSS: 5}, {Rate: 1, Mean: 30, RSS: 9}, {Rate: 2, Mean: 20, RSS: 7}})
	if m != (sample{Rate: 2, Mean: 20, RSS: 7}) {
		t.Errorf("medians of three: %+v", m)
	}
	if m := medians([]sample{{Rate: 1}, {Rate: 4}, {Rate: 2}, {Rate: 100}}); m.Rate != 3 {
		t.Errorf("median of four: %v, want 3", m.Rate)
	}
	if m := medians([]sample{{Rate: 1}, {Rate: 2, CPU: 7}, {Rate: 3, CPU: 9}}); m.CPU != 8 {
		t.Errorf("median of what was measured: %v, want 8", m.CPU)
	}
	if m := medians(nil); m != (sample{}) {
		t.Errorf("medians of none: %+v", m)
	}
}

// TestCompute: ratios are of medians, and who failed has none.
func TestCompute(t *testing.T) {
	r := result{Reference: "librbd", Entries: []entry{
		{Contestant: "rbdfs", Samples: []sample{{Rate: 90}, {Rate: 80}, {Rate: 1000}}},
		{Contestant: "librbd", Samples: []sample{{Rate: 100}, {Rate: 50}, {Rate: 100}}},
		{Contestant: "rbd-fuse", Samples: []sample{{Rate: 100}}, Error: "wrong data"},
	}}
	r.compute()
	for i, want := range []float64{0.9, 1, 0} {
		if e := r.Entries[i]; e.Ratio != want {
			t.Errorf("%s: ratio %v, want %v", e.Contestant, e.Ratio, want)
		}
	}
	if r.entry("rbd-fuse") != nil || r.entry("nobody") != nil {
		t.Error("an entry for who has no figures")
	}
}
