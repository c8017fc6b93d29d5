package main

import (
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// fileLog is the log in a file, which can be opened anew: then the old file gets no
// more lines, and none is lost.
type fileLog struct {
	path    string
	mu      sync.Mutex // guards the rest: held for the writing of one line
	file    *os.File
	adopted bool // stdout and stderr are the file as well
}

// openLogFile opens the file of --log-file.
func openLogFile(path string) (*fileLog, error) {
	file, err := openToAppend(path)
	if err != nil {
		return nil, failf(exitLogFile, "log file %q cannot be written (%v); name another with --log-file", path, reason(err))
	}
	return &fileLog{path: path, file: file}, nil
}

func openToAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}

func (l *fileLog) handler(form func(io.Writer) slog.Handler) slog.Handler { return form(l) }

// Write writes a line.
func (l *fileLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

// reopen opens the file by its name, where logrotate(8) may have made way for a
// new one. When that fails the log goes on in the old one.
func (l *fileLog) reopen() error {
	file, err := openToAppend(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.adopted {
		if err := divertStdio(file); err != nil {
			return err
		}
	}
	old := l.file
	l.file = file
	return old.Close()
}

// reopenOn opens the file anew at each signal.
func (l *fileLog) reopenOn(signals <-chan os.Signal, logger *slog.Logger) {
	for range signals {
		if err := l.reopen(); err != nil {
			logger.Error("the log file cannot be opened anew, and the log goes on in the old one; correct that and send SIGHUP again", "file", l.path, "error", err)
			continue
		}
		logger.Info("the log file was opened anew", "file", l.path)
	}
}

func (l *fileLog) adopt() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adopted = true
	return divertStdio(l.file)
}

func (l *fileLog) close() {}

// divertStdio has stdout and stderr go to a file.
func divertStdio(file *os.File) error {
	for fd := 1; fd <= 2; fd++ {
		if err := unix.Dup3(int(file.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return nil
}
