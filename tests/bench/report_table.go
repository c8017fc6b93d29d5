package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is rows below a heading.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// tables are those of the report, for all forms of it.
func (r *report) tables() []table {
	var all []table
	for _, w := range r.Workloads {
		all = append(all, w.table())
	}
	for _, s := range r.Scale {
		all = append(all, table{s.Title, s.Head, s.Rows})
	}
	if verdicts := r.verdicts(); len(verdicts) > 0 {
		t := table{title: "What must be reached", head: []string{"workload", "wanted", "measured", ""}}
		for _, v := range verdicts {
			t.rows = append(t.rows, []string{v.What, v.Wanted, v.Measured, met(v.Met)})
		}
		all = append(all, t)
	}
	return all
}

// met says whether a bar was.
func met(yes bool) string {
	if yes {
		return "met"
	}
	return "not met"
}

// table is a workload's.
func (r *result) table() table {
	t := table{title: fmt.Sprintf("%s (%s)", r.Title, r.Name)}
	t.head = []string{"contestant", r.Unit + "/s", "ratio", "MiB/s", "mean µs", "p99 µs", "CPU µs/" + r.Unit, "RSS MiB", "threads", "s"}
	for _, e := range r.Entries {
		if e.Error != "" {
			t.rows = append(t.rows, []string{e.Contestant, "failed"})
			continue
		}
		m := e.Median
		seconds := ""
		if r.Unit != "op" { // fio runs for a set time
			seconds = number(m.Seconds)
		}
		t.rows = append(t.rows, []string{
			e.Contestant, number(m.Rate), fraction(e.Ratio), number(m.MiBs), number(m.Mean), number(m.P99), number(m.CPU),
			count(m.RSS >> 20), count(int64(m.Threads)), seconds,
		})
	}
	return t.dense()
}

// dense is the table without the columns that are empty.
func (t table) dense() table {
	d := table{title: t.title, rows: make([][]string, len(t.rows))}
	for i, head := range t.head {
		if !slices.ContainsFunc(t.rows, func(row []string) bool { return i < len(row) && row[i] != "" }) {
			continue
		}
		d.head = append(d.head, head)
		for j, row := range t.rows {
			if i < len(row) {
				d.rows[j] = append(d.rows[j], row[i])
			}
		}
	}
	return d
}

// number is a figure with three digits or all of its whole part; none for 0.
func number(x float64) string {
	switch {
	case x == 0:
		return ""
	case x < 9.995:
		return fmt.Sprintf("%.2f", x)
	case x < 99.95:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// count is a whole number; none for 0.
func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// fraction is a ratio.
func fraction(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", x)
}

// text is the report for a terminal.
func (r *report) text() string {
	var s strings.Builder
	for _, t := range r.tables() {
		fmt.Fprintf(&s, "%s\n%s\n", t.title, t.text())
	}
	s.WriteString(r.origin("\n"))
	return s.String()
}

// origin says where the figures come from.
func (r *report) origin(newline string) string {
	lines := append([]string{r.Machine.String()}, r.Versions...)
	lines = append(lines, r.Date.Format("2006-01-02")+": "+r.Command)
	return strings.Join(lines, newline) + "\n"
}

// text is a table with columns, the first one to the left.
func (t table) text() string {
	widths := make([]int, len(t.head))
	rows := append([][]string{t.head}, t.rows...)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var s strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		s.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return s.String()
}
