package main

import (
	"context"
	"fmt"
	"log"
	"regexp"
)

// scaleTable shows how cost grows with one thing.
type scaleTable struct {
	Title string
	Head  []string
	Rows  [][]string
}

// steps is how far a thing grows, in a full run and in a quick one.
func (b *bench) steps(full, quick []int) []int {
	if b.quick {
		return quick
	}
	return full
}

// measureScale makes all tables, or those whose names are asked for.
func (b *bench) measureScale(ctx context.Context, only *regexp.Regexp, r *report) error {
	for _, t := range []struct {
		name    string
		measure func(context.Context) (scaleTable, error)
	}{
		{"images", b.scaleImages}, {"size", b.scaleSize}, {"snapshots", b.scaleSnapshots}, {"open", b.scaleOpen}, {"purge", b.scalePurge},
	} {
		if !only.MatchString(t.name) {
			continue
		}
		log.Printf("scale: %s", t.name)
		table, err := t.measure(ctx)
		if err != nil {
			return fmt.Errorf("scale, %s: %w", t.name, err)
		}
		r.Scale = append(r.Scale, table)
	}
	return nil
}

// column is a task and the figure of it that a table shows.
type column struct {
	do     task
	figure func(sample) float64
}

// seconds is what a command took.
func seconds(s sample) float64 { return s.Seconds }

// latency is what an operation took, in µs.
func latency(s sample) float64 { return s.Mean }

// row is a row of a table: the step, and the medians of the columns.
func (b *bench) row(ctx context.Context, step int, p pool, columns []column) ([]string, error) {
	row := []string{fmt.Sprint(step)}
	for _, c := range columns {
		var all []sample
		for range b.runs {
			s, err := c.do(ctx, b, p)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		row = append(row, number(median(all, c.figure)))
	}
	return row, nil
}
