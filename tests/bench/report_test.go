package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sampleReport has a bit of everything.
func sampleReport() *report {
	r := reportOf("randread-4k-1", "librbd", map[string]sample{
		"librbd": {Rate: 1000, CPU: 100, RSS: 40 << 20}, "rbdfs": {Rate: 800, CPU: 120}, "rbd-fuse": {Rate: 500},
	})
	r.Workloads = append(r.Workloads, reportOf("du", "rbd du", map[string]sample{"rbd du": {Rate: 1, Seconds: 3}, "rbdfs": {Rate: 3, Seconds: 1}}).Workloads...)
	r.Workloads[1].Unit, r.Workloads[1].Title = "image", "du of images"
	r.Scale = []scaleTable{{"Sizes", []string{"GiB", "open"}, [][]string{{"1", "5"}}}}
	r.Command = "tests/go run ./tests/bench"
	return r
}

// TestReportForms: all forms have the figures, and are written and read again.
func TestReportForms(t *testing.T) {
	dir := t.TempDir()
	if err := sampleReport().write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"results.txt": {"the title (randread-4k-1)", "0.83 of librbd", "tests/go run"},
		"results.md":  {"| rbdfs | 800 | 0.80 |", "| 1 | 5 |", "not met", "tests/go run"},
		"chart.svg":   {"<svg", "the title", "rbd-fuse"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s lacks %q:\n%s", name, w, text)
			}
		}
	}
	again, err := readReport(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if again.text() != sampleReportText(t, dir) {
		t.Errorf("after reading it again:\n%s", again.text())
	}
}

// sampleReportText is the text that was written.
func sampleReportText(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "results.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestIntoReadme: what stands between the marks is replaced, and nothing else.
func TestIntoReadme(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(readmeChart)), 0o755); err != nil {
		t.Fatal(err)
	}
	const before, between, after = "before\n<!-- bench:begin -->", "<!-- bench:end -->\nbetween\n<!-- scale:begin -->", "<!-- scale:end -->\nafter\n"
	if err := os.WriteFile(readme, []byte(before+"old"+between+"old"+after), 0o600); err != nil {
		t.Fatal(err)
	}
	bench, scale := sampleReport(), sampleReport()
	bench.Scale, scale.Workloads = nil, nil
	want := before + "\n" + bench.readmeText() + between + "\n" + scale.readmeText() + after
	for range 2 { // the second time changes nothing
		if err := errors.Join(bench.intoReadme(readme), scale.intoReadme(readme)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != want {
			t.Fatalf("got:\n%s\nwant:\n%s", text, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, readmeChart)); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(readme, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sampleReport().intoReadme(readme); err == nil {
		t.Error("no error for a file without marks")
	}
}
