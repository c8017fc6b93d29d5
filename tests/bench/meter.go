package main

import "time"

const (
	// sampleEvery is how often a running process is looked at.
	sampleEvery = 50 * time.Millisecond
	// leastSpan is what CPU time must be known of to be told, since the kernel
	// counts it in ticks of 10 ms.
	leastSpan = 200 * time.Millisecond
)

// meter follows the CPU time of a program and of the daemon that serves it
// while they run. fio tells CPU times only of its own threads, and not of
// librbd's or of a daemon.
type meter struct {
	program, daemon int // pids
	began           time.Time
	done            chan struct{} // closed when the rest is valid
	points          []point
	peak            int64 // bytes: the daemon's, or without one the program's
	threads         int   // likewise
}

// point is the CPU time that both have used at a moment.
type point struct{ at, cpu time.Duration }

func newMeter(program, daemon int) *meter {
	return &meter{program: program, daemon: daemon, began: time.Now(), done: make(chan struct{})}
}

// run samples until the program has ended.
func (m *meter) run(ended <-chan struct{}) {
	defer close(m.done)
	ticks := time.NewTicker(sampleEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticks.C:
			m.sample()
		}
	}
}

// sample looks once. A process that has just ended is not an error.
func (m *meter) sample() {
	program, err := usageOf(m.program)
	if err != nil {
		return
	}
	daemon, err := usageOf(m.daemon)
	if err != nil {
		return
	}
	m.points = append(m.points, point{time.Since(m.began), program.cpu + daemon.cpu})
	client := daemon
	if m.daemon == 0 {
		client = program
	}
	m.peak, m.threads = max(m.peak, client.peak), max(m.threads, client.threads)
}

// cores is the CPU time for each second between from and to, as measured
// between the outermost samples there. The load is steady then. It is 0, not
// measured, where that is too short.
func (m *meter) cores(from, to time.Duration) float64 {
	var first, last *point
	for i, p := range m.points {
		if p.at < from || p.at > to {
			continue
		}
		if first == nil {
			first = &m.points[i]
		}
		last = &m.points[i]
	}
	if first == nil || last.at-first.at < leastSpan {
		return 0
	}
	return float64(last.cpu-first.cpu) / float64(last.at-first.at)
}
