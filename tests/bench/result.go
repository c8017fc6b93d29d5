package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is what one run of a contestant shows. Zero is "not measured".
type sample struct {
	Seconds float64 // what was measured, or how long the command took
	Rate    float64 // operations, or other units of the workload, a second
	MiBs    float64 // MiB a second
	Mean    float64 // latency, µs
	P99     float64 // latency, µs
	CPU     float64 // of the client for each unit, µs
	RSS     int64   // bytes at most: the daemon's, or else the program's
	Threads int     // likewise
	Files   int     // descriptors, likewise
}

// result is a workload that was measured.
type result struct {
	Name, Title, Unit, Reference string
	Entries                      []entry
}

// entry is a contestant in a result.
type entry struct {
	Contestant string
	Samples    []sample
	Median     sample
	Ratio      float64 // to the reference's rate: above 1 is faster; 0 without one
	Error      string  // why it is out
}

// report is all that a run of the benchmark found.
type report struct {
	Date      time.Time
	Command   string
	Machine   machine
	Versions  []string
	Workloads []result
	Scale     []scaleTable
}

// compute fills in medians and ratios.
func (r *result) compute() {
	for i := range r.Entries {
		r.Entries[i].Median = medians(r.Entries[i].Samples)
	}
	base := r.entry(r.Reference)
	if base == nil {
		return
	}
	for i := range r.Entries {
		if r.Entries[i].Error == "" {
			r.Entries[i].Ratio = r.Entries[i].Median.Rate / base.Median.Rate
		}
	}
}

// entry is that of a contestant with figures; nil without them.
func (r *result) entry(contestant string) *entry {
	for i, e := range r.Entries {
		if e.Contestant == contestant && e.Error == "" && len(e.Samples) > 0 {
			return &r.Entries[i]
		}
	}
	return nil
}

// medians is the median of each figure by itself.
func medians(s []sample) sample {
	if len(s) == 0 {
		return sample{}
	}
	of := func(get func(sample) float64) float64 { return median(s, get) }
	return sample{
		Seconds: of(func(s sample) float64 { return s.Seconds }),
		Rate:    of(func(s sample) float64 { return s.Rate }),
		MiBs:    of(func(s sample) float64 { return s.MiBs }),
		Mean:    of(func(s sample) float64 { return s.Mean }),
		P99:     of(func(s sample) float64 { return s.P99 }),
		CPU:     of(func(s sample) float64 { return s.CPU }),
		RSS:     int64(of(func(s sample) float64 { return float64(s.RSS) })),
		Threads: int(of(func(s sample) float64 { return float64(s.Threads) })),
		Files:   int(of(func(s sample) float64 { return float64(s.Files) })),
	}
}

// median is that of a figure, where it was measured; the mean of the two in the
// middle of an even number.
func median(s []sample, get func(sample) float64) float64 {
	var values []float64
	for i := range s {
		if x := get(s[i]); x != 0 {
			values = append(values, x)
		}
	}
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// line is a sample in a few words.
func (s sample) line(unit string) string {
	if unit == "op" {
		return fmt.Sprintf("%.0f op/s, %.0f MiB/s, mean %.0f µs, p99 %.0f µs, CPU %.0f µs/op", s.Rate, s.MiBs, s.Mean, s.P99, s.CPU)
	}
	return fmt.Sprintf("%.2f s, %.4g %s/s", s.Seconds, s.Rate, unit)
}
