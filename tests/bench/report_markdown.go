package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// markdown is the whole report.
func (r *report) markdown() string {
	var s strings.Builder
	for _, t := range r.tables() {
		fmt.Fprintf(&s, "**%s**\n\n%s\n", t.title, t.markdown())
	}
	fmt.Fprintf(&s, "```\n%s```\n", r.origin("\n"))
	return s.String()
}

// markdown is a table.
func (t table) markdown() string {
	var s strings.Builder
	line := func(cells []string) {
		cells = append(slices.Clone(cells), make([]string, len(t.head)-len(cells))...)
		fmt.Fprintf(&s, "| %s |\n", strings.Join(cells, " | "))
	}
	line(t.head)
	s.WriteString("|---" + strings.Repeat("|--:", len(t.head)-1) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	return s.String()
}

// summary is one table for the README: a row for a workload, and what each of
// the contestants reached of the reference, with its CPU time.
func (r *report) summary() table {
	names := r.compared()
	t := table{head: append([]string{"workload", "reference"}, names...)}
	for _, w := range r.Workloads {
		ref := w.entry(w.Reference)
		if ref == nil || w.Reference != "librbd" {
			continue
		}
		row := []string{w.Title, ref.figures(w.Unit)}
		for _, name := range names {
			row = append(row, w.entry(name).compared())
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// compared are the contestants of the workloads whose reference is librbd.
func (r *report) compared() []string {
	var names []string
	for _, w := range r.Workloads {
		if w.Reference != "librbd" {
			continue
		}
		for _, e := range w.Entries {
			if e.Contestant != w.Reference && !slices.Contains(names, e.Contestant) {
				names = append(names, e.Contestant)
			}
		}
	}
	return names
}

// figures are absolute.
func (e *entry) figures(unit string) string {
	return fmt.Sprintf("%s %s/s, %s µs", number(e.Median.Rate), unit, number(e.Median.CPU))
}

// compared is the ratio and the CPU time; nothing for who did not take part.
func (e *entry) compared() string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("%s, %s µs", fraction(e.Ratio), number(e.Median.CPU))
}

// others is the table of the workloads that are whole commands.
func (r *report) others() table {
	t := table{head: []string{"workload", "contestant", "s", "faster by"}}
	for _, w := range r.Workloads {
		if w.Reference == "librbd" || w.Unit == "op" {
			continue
		}
		title := w.Title
		for i := range w.Entries {
			e := w.entry(w.Entries[i].Contestant)
			if e == nil {
				continue
			}
			t.rows = append(t.rows, []string{title, e.Contestant, number(e.Median.Seconds), fraction(e.Ratio)})
			title = ""
		}
	}
	return t
}

// readmeChart is where the README's chart is, from its folder.
const readmeChart = "tests/bench/chart.svg"

// marks stand around the place of the figures in a README; those of -scale have
// one of their own.
func (r *report) marks() (begin, end string) {
	name := "bench"
	if len(r.Workloads) == 0 {
		name = "scale"
	}
	return "<!-- " + name + ":begin -->", "<!-- " + name + ":end -->"
}

// readmeText is what stands between the marks.
func (r *report) readmeText() string {
	var s strings.Builder
	s.WriteString("\n")
	if r.hasChart() {
		fmt.Fprintf(&s, "![operations a second, as a ratio to librbd](%s)\n\n", readmeChart)
	}
	for _, t := range []table{r.summary(), r.others()} {
		if len(t.rows) > 0 {
			s.WriteString(t.markdown() + "\n")
		}
	}
	for _, scale := range r.Scale {
		fmt.Fprintf(&s, "%s\n\n%s\n", scale.Title, table{"", scale.Head, scale.Rows}.markdown())
	}
	fmt.Fprintf(&s, "```\n%s```\n\n", r.origin("\n"))
	return s.String()
}

// intoReadme puts the report between the marks of a file, and the chart beside
// the benchmark.
func (r *report) intoReadme(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := r.marks()
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no place for figures: %s and %s", path, begin, end)
	}
	if r.hasChart() {
		if err := r.chart(filepath.Join(filepath.Dir(path), readmeChart)); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+r.readmeText()+end+after), 0o644)
}
