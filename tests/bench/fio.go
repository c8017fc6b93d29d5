package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// fioOutput is what we read of fio's --output-format=json.
type fioOutput struct {
	Jobs []struct {
		Name  string `json:"jobname"`
		Error int    `json:"error"`
		Read  fioSide
		Write fioSide
	}
}

// fioSide is one direction.
type fioSide struct {
	IOs     int64   `json:"total_ios"`
	IOPS    float64 `json:"iops"`
	Bytes   float64 `json:"bw_bytes"` // a second
	Latency struct {
		Mean       float64            // ns
		Percentile map[string]float64 // ns, by "99.000000"
	} `json:"lat_ns"`
}

// parseFio reads a run of one job, reads and writes together.
func parseFio(text []byte) (sample, error) {
	// Engines write to standard output too: librbd's warnings come before.
	start := bytes.IndexByte(text, '{')
	if start < 0 {
		return sample{}, fmt.Errorf("fio wrote no JSON: %q", text)
	}
	var out fioOutput
	if err := json.NewDecoder(bytes.NewReader(text[start:])).Decode(&out); err != nil {
		return sample{}, fmt.Errorf("fio's JSON: %w", err)
	}
	if len(out.Jobs) != 1 {
		return sample{}, fmt.Errorf("fio's JSON: %d jobs, want 1", len(out.Jobs))
	}
	job := out.Jobs[0]
	if job.Error != 0 {
		return sample{}, fmt.Errorf("fio's job %q: error %d", job.Name, job.Error)
	}
	if job.Read.IOs+job.Write.IOs == 0 {
		return sample{}, errors.New("fio did no I/O")
	}
	return job.Read.and(job.Write), nil
}

// and merges two directions. The percentile of both together is not known from
// those of each, so it is the worse one.
func (r fioSide) and(w fioSide) sample {
	const p99 = "99.000000"
	total := r.IOPS + w.IOPS
	return sample{
		Rate: total,
		MiBs: (r.Bytes + w.Bytes) / (1 << 20),
		Mean: (r.Latency.Mean*r.IOPS + w.Latency.Mean*w.IOPS) / total / 1000,
		P99:  math.Max(r.Latency.Percentile[p99], w.Latency.Percentile[p99]) / 1000,
	}
}

// fioArgs are the same for everyone. One process with threads, so that its CPU
// time is that of the whole run; latency from submission to completion.
var fioArgs = []string{
	"fio", "--output-format=json", "--thread", "--group_reporting", "--norandommap",
	"--lat_percentiles=1", "--clat_percentiles=0",
}

// fio runs a job without measuring it.
func (b *bench) fio(ctx context.Context, target []string, args ...string) (string, error) {
	return b.command(ctx, slices.Concat(fioArgs, args, target)...)
}

// measureFio runs a job for the ramp and the runtime, and measures it together
// with the daemon that serves it, if there is one.
func (b *bench) measureFio(ctx context.Context, daemon *process, target []string, args ...string) (sample, error) {
	timing := []string{"--time_based", fmt.Sprintf("--runtime=%dms", b.runtime.Milliseconds()),
		fmt.Sprintf("--ramp_time=%dms", b.ramp.Milliseconds())}
	var out bytes.Buffer
	p, err := b.spawn(&out, slices.Concat(fioArgs, timing, args, target)...)
	if err != nil {
		return sample{}, err
	}
	m := newMeter(p.pid(), daemon.pid())
	go m.run(p.ended)
	err = p.wait(ctx)
	<-m.done
	if err != nil {
		return sample{}, err
	}
	took := time.Since(m.began)
	s, err := parseFio(out.Bytes())
	if err != nil {
		return sample{}, err
	}
	// When fio began with its I/O is not known, only that it did ramp+runtime before
	// it ended, or earlier: opening and closing take time. This much is inside the
	// measured time either way.
	s.CPU = m.cores(took-b.runtime, b.ramp+b.runtime) * 1e6 / s.Rate
	s.Seconds = b.runtime.Seconds()
	s.RSS, s.Threads = m.peak, m.threads
	return s, nil
}
