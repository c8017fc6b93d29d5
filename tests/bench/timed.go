package main

import (
	"bytes"
	"context"
	"time"
)

// timed runs a command and measures it together with the daemon that serves
// it, if there is one. It does units of work: MiB, images.
func (b *bench) timed(ctx context.Context, daemon *process, units float64, argv ...string) (sample, error) {
	s, _, err := b.timedOutput(ctx, daemon, units, argv...)
	return s, err
}

// timedOutput is timed, and returns what the command wrote.
func (b *bench) timedOutput(ctx context.Context, daemon *process, units float64, argv ...string) (sample, string, error) {
	before, err := usageOf(daemon.pid())
	if err != nil {
		return sample{}, "", err
	}
	var out bytes.Buffer
	began := time.Now()
	p, err := b.spawn(&out, argv...)
	if err != nil {
		return sample{}, "", err
	}
	m := newMeter(p.pid(), daemon.pid())
	go m.run(p.ended)
	err = p.wait(ctx)
	took := time.Since(began)
	<-m.done
	if err != nil {
		return sample{}, "", err
	}
	s := work(units, took)
	state := p.cmd.ProcessState
	after, err := usageOf(daemon.pid())
	s.CPU = micros(state.UserTime()+state.SystemTime()+after.cpu-before.cpu) / units
	s.RSS, s.Threads = max(m.peak, after.peak), max(m.threads, after.threads)
	return s, out.String(), err
}

// work is a sample of something that took that long for some units of work.
func work(units float64, took time.Duration) sample {
	return sample{Seconds: took.Seconds(), Rate: units / took.Seconds()}
}

// micros is a time in microseconds.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
