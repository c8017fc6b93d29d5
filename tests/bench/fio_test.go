package main

import (
	"math"
	"os"
	"strings"
	"testing"
)

// TestParseFio reads what fio 3.33 wrote for reads and writes together.
func TestParseFio(t *testing.T) {
	text, err := os.ReadFile("testdata/fio.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", "did not load config file, using default settings.\n"} {
		s, err := parseFio(append([]byte(before), text...))
		if err != nil {
			t.Fatal(err)
		}
		near(t, "Rate", s.Rate, 5428.571429+2405.315615)
		near(t, "MiBs", s.MiBs, (22534803+9974644)/1048576.)
		near(t, "Mean", s.Mean, (5428.571429*4350.258680556+2405.315615*5053.337624829)/(5428.571429+2405.315615))
		near(t, "P99", s.P99, 79167.488)
	}
}

// near compares up to rounding.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*math.Abs(want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestParseFioFails: what is no result is an error.
func TestParseFioFails(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "no JSON",
		"fio: pid 1 failed":       "no JSON",
		`{"jobs": [`:              "unexpected EOF",
		`{"jobs": []}`:            "0 jobs",
		`{"jobs": [{}, {}]}`:      "2 jobs",
		`{"jobs": [{"error":5}]}`: "error 5",
		`{"jobs": [{}]}`:          "no I/O",
	} {
		if _, err := parseFio([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
