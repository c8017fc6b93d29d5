package main

import "fmt"

// bar is something that must be reached. A report that lacks what it needs does
// not judge it.
type bar struct {
	workload, contestant, wanted string
	judge                        func(r *report) (v verdict, ok bool)
}

// verdict is how a bar came out.
type verdict struct {
	What, Wanted, Measured string
	Met                    bool
}

// ours is the contestant that most bars are about.
const ours = "rbdfs"

// rates are the least ratios to librbd, of workloads that fio runs.
var rates = []struct {
	workload, contestant string
	least                float64
}{
	{"randread-4k-1", ours, 0.83}, {"randread-4k-32", ours, 0.87},
	{"randwrite-4k-1", ours, 0.90}, {"randwrite-4k-32", ours, 0.90},
	{"write-64k-4", ours, 0.90}, {"read-64k-4", ours, 0.93},
	{"read-1m-8", ours, 0.90}, {"read-4m-2", ours, 0.90},
	{"write-1m-8", ours, 0.95}, {"write-4m-2", ours, 0.95},
	{"randwrite-4k-16", "rbdfs psync", 0.85},
}

// commands are the least ratios of whole commands to their references.
var commands = []struct {
	workload, contestant string
	least                float64
}{
	{"cp-out-dense", "rbdfs dd", 0.90}, {"cp-out-dense", "rbdfs cp", 0.90}, {"cp-out-dense", "rbdfs tar", 0.90},
	{"cp-in-dense", ours, 1}, {"cp-in-sparse", ours, 1},
	{"ls-cold", ours, 3},
}

const (
	cpuFactor  = 1.25    // of librbd's CPU time, on top of FUSE's own
	fuseFactor = 5       // faster than rbd-fuse
	secondList = 0.5     // seconds
	busyMemory = 1 << 30 // bytes
)

// bars are all of them.
func bars() []bar {
	var all []bar
	for _, r := range rates {
		all = append(all, ratioBar(r.workload, r.contestant, "librbd", r.least))
	}
	for _, r := range rates[:len(rates)-1] {
		all = append(all, ratioBar(r.workload, ours, "qemu-storage-daemon", 1))
	}
	for _, w := range []string{"randwrite-4k-1", "randwrite-4k-32", "write-1m-8"} {
		all = append(all, ratioBar(w, ours, "rbd-fuse", fuseFactor))
	}
	for _, r := range rates[:len(rates)-1] {
		all = append(all, cpuBar(r.workload))
	}
	for _, c := range commands {
		all = append(all, ratioBar(c.workload, c.contestant, "", c.least))
	}
	return append(all, secondListBar(), memoryBar())
}

// verdicts judge all bars that the report has figures for.
func (r *report) verdicts() []verdict {
	var all []verdict
	for _, b := range bars() {
		if v, ok := b.judge(r); ok {
			w, _, _ := r.find(b.workload, "", "")
			v.What, v.Wanted = w.Title+": "+b.contestant, b.wanted
			all = append(all, v)
		}
	}
	return all
}

// find is a workload's result and two of its contestants' entries; without a
// name the second one is the reference.
func (r *report) find(workload, contestant, reference string) (w *result, e, ref *entry) {
	for i := range r.Workloads {
		if w = &r.Workloads[i]; w.Name == workload {
			if reference == "" {
				reference = w.Reference
			}
			return w, w.entry(contestant), w.entry(reference)
		}
	}
	return nil, nil, nil
}

// ratioBar wants a rate to be at least so many times another one.
func ratioBar(workload, contestant, reference string, least float64) bar {
	to := reference
	if to == "" {
		to = "the rbd command"
	}
	return bar{
		workload: workload, contestant: contestant, wanted: fmt.Sprintf("%.2f of %s", least, to),
		judge: func(r *report) (verdict, bool) {
			_, e, ref := r.find(workload, contestant, reference)
			if e == nil || ref == nil {
				return verdict{}, false
			}
			ratio := e.Median.Rate / ref.Median.Rate
			return verdict{Measured: fmt.Sprintf("%.2f", ratio), Met: ratio >= least}, true
		},
	}
}

// cpuBar bounds the client's CPU time for an operation.
func cpuBar(workload string) bar {
	return bar{
		workload: workload, contestant: "CPU of " + ours, wanted: fmt.Sprintf("%.2f × librbd + memory", cpuFactor),
		judge: func(r *report) (verdict, bool) {
			_, e, librbd := r.find(workload, ours, "librbd")
			_, _, memory := r.find(workload, ours, "memory")
			if e == nil || librbd == nil || memory == nil || e.Median.CPU*librbd.Median.CPU*memory.Median.CPU == 0 {
				return verdict{}, false
			}
			most := cpuFactor*librbd.Median.CPU + memory.Median.CPU
			return verdict{Measured: fmt.Sprintf("%.0f µs of %.0f µs", e.Median.CPU, most), Met: e.Median.CPU <= most}, true
		},
	}
}

// secondListBar bounds the time of a listing that is not the first.
func secondListBar() bar {
	return bar{
		workload: "ls-again", contestant: ours, wanted: fmt.Sprintf("under %.1f s", secondList),
		judge: func(r *report) (verdict, bool) {
			_, e, _ := r.find("ls-again", ours, "")
			if e == nil {
				return verdict{}, false
			}
			return verdict{Measured: fmt.Sprintf("%.2f s", e.Median.Seconds), Met: e.Median.Seconds < secondList}, true
		},
	}
}

// memoryBar bounds the memory with many images open and busy.
func memoryBar() bar {
	return bar{
		workload: "busy", contestant: "memory of " + ours, wanted: fmt.Sprintf("under %d MiB", busyMemory>>20),
		judge: func(r *report) (verdict, bool) {
			_, e, _ := r.find("busy", ours, "")
			if e == nil {
				return verdict{}, false
			}
			return verdict{Measured: fmt.Sprintf("%d MiB", e.Median.RSS>>20), Met: e.Median.RSS < busyMemory}, true
		},
	}
}
