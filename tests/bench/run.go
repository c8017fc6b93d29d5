package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
)

// measureWorkloads runs the chosen workloads and adds their results to the
// report. A contestant that fails is out of its workload, and the rest goes on.
func (b *bench) measureWorkloads(ctx context.Context, f *flags, r *report) error {
	var failed []string
	for _, w := range workloads(b) {
		if !f.only.MatchString(w.name) || b.quick && !w.quick {
			continue
		}
		result, err := b.measureWorkload(ctx, w, f.contestants)
		if len(result.Entries) > 0 {
			r.Workloads = append(r.Workloads, result)
		}
		if err != nil {
			failed = append(failed, w.name)
			log.Printf("%s: %v", w.name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if len(r.Workloads) == 0 {
		return errors.New("no workload of that name")
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// measureWorkload prepares, runs the contestants in turn, and finishes.
func (b *bench) measureWorkload(ctx context.Context, w workload, names []string) (_ result, err error) {
	res := result{Name: w.name, Title: w.title, Unit: w.unit, Reference: w.reference}
	var in []contestant
	for _, c := range w.contestants {
		if chosen(names, c.name) {
			in, res.Entries = append(in, c), append(res.Entries, entry{Contestant: c.name})
		}
	}
	if len(in) == 0 {
		return res, nil
	}
	if w.prepare != nil {
		if err := w.prepare(ctx, b); err != nil {
			return result{}, err
		}
	}
	if w.finish != nil {
		// Also after Ctrl-C: what comes next may need the room.
		defer func() { err = errors.Join(err, w.finish(context.WithoutCancel(ctx), b)) }()
	}
	for run := range b.runs {
		for i, c := range in {
			err = errors.Join(err, b.turn(ctx, run, w, c, &res.Entries[i]))
		}
	}
	res.compute()
	return res, err
}

// turn is one run of one contestant.
func (b *bench) turn(ctx context.Context, run int, w workload, c contestant, e *entry) error {
	if e.Error != "" {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s, err := c.run(ctx, b)
	if rbdAborted(err) {
		log.Printf("%s: once more, since: %v", c.name, err)
		s, err = c.run(ctx, b)
	}
	if err != nil {
		e.Error = err.Error()
		return fmt.Errorf("%s: %w", c.name, err)
	}
	e.Samples = append(e.Samples, s)
	log.Printf("run %d of %d, %s, %s: %s", run+1, b.runs, w.name, c.name, s.line(w.unit))
	return nil
}
