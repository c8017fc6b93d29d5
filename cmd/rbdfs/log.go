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
	LogFile   string `type:"path" placeholder:"FILE" help:"Append the log to a file instead of stderr, or of the system's log in the background; SIGHUP opens it anew."`
}

// logTarget is where the log goes. Its methods may overlap, and so may writes.
type logTarget interface {
	// handler returns a handler for all records, of the form that is given.
	handler(form func(io.Writer) slog.Handler) slog.Handler
	// adopt has a daemon's stdout and stderr go where the log goes.
	adopt() error
	// close waits until all is written, but not for long.
	close()
}

// target returns where the log goes.
func (f *logFlags) target(background bool) (logTarget, error) {
	switch {
	case f.LogFile != "":
		return openLogFile(f.LogFile)
	case background:
		return newSystemLog(f.form, syslogSender()), nil
	default:
		return terminal{}, nil
	}
}

// logger makes the logger that everything gets.
func (f *logFlags) logger(t logTarget) *slog.Logger { return slog.New(t.handler(f.form)) }

// form is the handler of --log-format.
func (f *logFlags) form(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: f.level()}
	if f.LogFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// level is slog's value of --log-level.
func (f *logFlags) level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return slog.LevelInfo // kong has checked the names
	}
	return level
}

// terminal is the log of a mount in the foreground: stderr.
type terminal struct{}

func (terminal) handler(form func(io.Writer) slog.Handler) slog.Handler { return form(os.Stderr) }
func (terminal) adopt() error                                           { return nil }
func (terminal) close()                                                 {}
