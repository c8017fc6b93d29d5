package harness

import (
	"regexp"
	"slices"
	"testing"
)

func TestBadLines(t *testing.T) {
	const (
		info  = "time=2026-01-02T03:04:05.678Z level=INFO msg=mounted\n"
		debug = "time=2026-01-02T03:04:05.678Z level=DEBUG msg=\"level=ERROR\"\n"
		warn  = "time=2026-01-02T03:04:05.678Z level=WARN msg=\"in use\"\n"
		alien = "2026-01-02T03:04:05.678+0000 7f0 -1 librbd: cannot\n"
	)
	l := newLog()
	write := func(s string) {
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write(info + debug + warn[:20])
	if bad := l.bad(); len(bad) > 0 {
		t.Errorf("bad: %q", bad)
	}
	write(warn[20:] + alien)
	want := []string{warn[:len(warn)-1], alien[:len(alien)-1]}
	if bad := l.bad(); !slices.Equal(bad, want) {
		t.Errorf("bad: %q, want %q", bad, want)
	}
	if bad := l.bad(); len(bad) > 0 {
		t.Errorf("told twice: %q", bad)
	}
	l.excuse(regexp.MustCompile("in use"))
	write(warn)
	if bad := l.bad(); len(bad) > 0 {
		t.Errorf("excused, but bad: %q", bad)
	}
}
