package main

import (
	"context"
	"log/slog"
)

// bySeverity is one handler for each severity: debug, info, warning and error.
type bySeverity [4]slog.Handler

// of returns the handler for a level.
func (h bySeverity) of(level slog.Level) slog.Handler {
	switch {
	case level < slog.LevelInfo:
		return h[0]
	case level < slog.LevelWarn:
		return h[1]
	case level < slog.LevelError:
		return h[2]
	default:
		return h[3]
	}
}

// Enabled tells whether a level is logged.
func (h bySeverity) Enabled(ctx context.Context, level slog.Level) bool {
	return h.of(level).Enabled(ctx, level)
}

// Handle logs a record.
func (h bySeverity) Handle(ctx context.Context, r slog.Record) error {
	return h.of(r.Level).Handle(ctx, r)
}

// WithAttrs adds attributes.
func (h bySeverity) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

// WithGroup begins a group.
func (h bySeverity) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h bySeverity) each(change func(slog.Handler) slog.Handler) bySeverity {
	for i := range h {
		h[i] = change(h[i])
	}
	return h
}
