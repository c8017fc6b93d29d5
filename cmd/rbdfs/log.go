package main

import (
	"io"
	"log/slog"
	"os"
)

// logFlags say what is logged, how and where.
type logFlags struct {
	LogFormat string `enum:"text,json" default:"${log_format}" help:"Form of the log: ${enum}."`
	LogLevel  string `enum:"debug,info,warn,error" default:"${log_level}" help:"Least level that is logged: ${enum}."`
	LogFile   string `type:"path" placeholder:"FILE" help:"Append the log to a file instead of stderr."`
}

// open returns the file of the log, stderr without --log-file.
func (f *logFlags) open() (*os.File, error) {
	if f.LogFile == "" {
		return os.Stderr, nil
	}
	file, err := os.OpenFile(f.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, failf(exitLogFile, "log file %q cannot be written (%v); name another with --log-file", f.LogFile, reason(err))
	}
	return file, nil
}

// logger makes the logger that everything gets.
func (f *logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.level()}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// level is slog's value of --log-level.
func (f *logFlags) level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return slog.LevelInfo // kong has checked the names
	}
	return level
}
