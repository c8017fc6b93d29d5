package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// publish prints the report and writes its files.
func (f *flags) publish(r *report) error {
	fmt.Print(r.text())
	if f.out != "" {
		if err := r.write(f.out); err != nil {
			return err
		}
		fmt.Printf("\nresults are in %s\n", f.out)
	}
	if f.readme != "" {
		return r.intoReadme(f.readme)
	}
	return nil
}

// write writes all forms of the report into a folder.
func (r *report) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	errs := []error{
		os.WriteFile(filepath.Join(dir, "results.json"), append(data, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "results.txt"), []byte(r.text()), 0o644),
		os.WriteFile(filepath.Join(dir, "results.md"), []byte(r.markdown()), 0o644),
	}
	if r.hasChart() {
		errs = append(errs, r.chart(filepath.Join(dir, "chart.svg")))
	}
	return errors.Join(errs...)
}

// readReport reads a results.json.
func readReport(path string) (*report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}
