package main

import (
	"errors"
	"fmt"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeSyslog notes lines; it fails while it is down, and keeps its caller waiting
// while it is stuck.
type fakeSyslog struct {
	mu    sync.Mutex // guards the rest; held while stuck
	down  bool
	lines []logLine
}

func (s *fakeSyslog) send(line logLine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("no socket")
	}
	s.lines = append(s.lines, line)
	return nil
}

// logTo makes a logger to a fake system's log.
func logTo(s *fakeSyslog) (*systemLog, *slog.Logger) {
	f := &logFlags{LogLevel: "debug"}
	l := newSystemLog(f.form, s.send)
	return l, f.logger(l)
}

func TestSystemLogSeverities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSyslog{}
		l, logger := logTo(s)
		logger = logger.With("a", 1).WithGroup("g")
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			logger.Log(t.Context(), level, "text", "b", 2)
		}
		l.close()
		want := []syslog.Priority{syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_WARNING, syslog.LOG_ERR}
		if len(s.lines) != len(want) {
			t.Fatalf("%+v", s.lines)
		}
		for i, line := range s.lines {
			if line.severity != want[i] || !strings.Contains(line.text, "msg=text a=1 g.b=2") {
				t.Errorf("%+v, not of severity %d", line, want[i])
			}
		}
	})
}

func TestSystemLogComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSyslog{down: true}
		l, logger := logTo(s)
		logger.Info("first")
		time.Sleep(time.Hour)
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		logger.Info("second")
		time.Sleep(2 * logRetry)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.lines) != 2 || !strings.Contains(s.lines[0].text, "first") {
			t.Errorf("%+v", s.lines)
		}
		l.close()
	})
}

// TestStuckSystemLog checks that a log that takes nothing keeps nobody waiting, and
// that the lines that are lost by that are counted.
func TestStuckSystemLog(t *testing.T) {
	s := &fakeSyslog{}
	l, logger := logTo(s)
	s.mu.Lock()
	const lines = 3 * mostQueued / 1000
	for i := range lines {
		logger.Info(strings.Repeat("x", 1000), "i", i)
	}
	s.mu.Unlock()
	l.close()
	lost, got := 0, 0
	for _, line := range s.lines {
		if _, number, found := strings.Cut(line.text, "did not take them in time\" lines="); found {
			fmt.Sscan(number, &lost)
			continue
		}
		got++
	}
	if lost == 0 || got+lost != lines {
		t.Errorf("%d lines lost and %d written, of %d", lost, got, lines)
	}
	if last := s.lines[len(s.lines)-1].text; !strings.Contains(last, fmt.Sprintf("i=%d\n", lines-1)) {
		t.Errorf("the last line is not there, but %q", last[:50])
	}
}

func TestSystemLogThatIsNeverThere(t *testing.T) {
	l, logger := logTo(&fakeSyslog{down: true})
	logger.Info("a line")
	l.close()
	<-l.ended
}

// TestLogFileIsReopened checks that each line is in one file, whenever the file is
// opened anew.
func TestLogFileIsReopened(t *testing.T) {
	path := filepath.Join(realTemp(t), "log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	logger := (&logFlags{}).logger(l)
	const lines, files = 2000, 20
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range lines {
				logger.Info("line", "n", fmt.Sprintf("%d.%d", w, i))
			}
		})
	}
	text := ""
	for i := range files {
		old := fmt.Sprintf("%s.%d", path, i)
		if err := errors.Join(os.Rename(path, old), l.reopen()); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	for i := range files {
		text += readText(t, fmt.Sprintf("%s.%d", path, i))
	}
	text += readText(t, path)
	found := map[string]int{}
	for line := range strings.Lines(text) {
		_, n, _ := strings.Cut(line, " msg=line n=")
		found[n]++
	}
	for w := range 2 {
		for i := range lines {
			if n := found[fmt.Sprintf("%d.%d\n", w, i)]; n != 1 {
				t.Fatalf("line %d of writer %d is there %d times", i, w, n)
			}
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLogFileCannotBeReopened checks that the log then goes on in the old file.
func TestLogFileCannotBeReopened(t *testing.T) {
	path := filepath.Join(realTemp(t), "log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path, path+".1"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	logger := (&logFlags{}).logger(l)
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	close(signals)
	l.reopenOn(signals, logger)
	logger.Info("after")
	text := readText(t, path+".1")
	if !strings.Contains(text, "goes on in the old one") || !strings.Contains(text, "msg=after") {
		t.Errorf("the old file: %s", text)
	}
}
