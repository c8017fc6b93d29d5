package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"strings"
	"sync"
	"time"
)

// systemLog is the log of a daemon without a log file: the system's, be it the
// journal or a syslog daemon, by the socket that both have (syslog(3)). A goroutine
// of its own writes there, so that a log that does not take lines holds nothing
// up. The last lines wait for it meanwhile, and those that are lost are counted.
type systemLog struct {
	form    func(io.Writer) slog.Handler
	send    func(logLine) error // only deliver calls it
	more    chan struct{}       // has a value while deliver has a line to look for
	closing chan struct{}
	ended   chan struct{} // closed when deliver has returned

	mu    sync.Mutex // guards the rest
	queue []logLine
	bytes int // of queue
	lost  int // lines that gave way to newer ones
}

// logLine is a line of the log with its severity.
type logLine struct {
	severity syslog.Priority
	text     string
}

// newSystemLog begins to write lines of a form by send.
func newSystemLog(form func(io.Writer) slog.Handler, send func(logLine) error) *systemLog {
	l := &systemLog{form: form, send: send, more: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	go l.deliver()
	return l
}

func (l *systemLog) handler(form func(io.Writer) slog.Handler) slog.Handler {
	return bySeverity{
		form(lineWriter{l, syslog.LOG_DEBUG}), form(lineWriter{l, syslog.LOG_INFO}),
		form(lineWriter{l, syslog.LOG_WARNING}), form(lineWriter{l, syslog.LOG_ERR}),
	}
}

// lineWriter takes the lines of one severity.
type lineWriter struct {
	log      *systemLog
	severity syslog.Priority
}

// Write takes a line. It never waits for the system's log.
func (w lineWriter) Write(p []byte) (int, error) {
	w.log.add(logLine{w.severity, string(p[:min(len(p), mostLine)])})
	return len(p), nil
}

// add queues a line, and gives up the oldest ones for which there is no room.
func (l *systemLog) add(line logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, line)
	l.bytes += len(line.text)
	for l.bytes > mostQueued {
		l.bytes -= len(l.queue[0].text)
		l.queue = l.queue[1:]
		l.lost++
	}
	select {
	case l.more <- struct{}{}:
	default: // deliver will look anyway
	}
}

// next waits for a line, the oldest one or word of those lost before it, until the
// log is closed.
func (l *systemLog) next() (logLine, bool) {
	for {
		if line, found := l.take(); found {
			return line, true
		}
		select {
		case <-l.more:
		case <-l.closing:
			return l.take()
		}
	}
}

// take takes a line from the queue, if there is one.
func (l *systemLog) take() (logLine, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost > 0 {
		line := l.lostLine(l.lost)
		l.lost = 0
		return line, true
	}
	if len(l.queue) == 0 {
		return logLine{}, false
	}
	line := l.queue[0]
	l.queue = l.queue[1:]
	l.bytes -= len(line.text)
	return line, true
}

// lostLine says how many lines are missing here.
func (l *systemLog) lostLine(lost int) logLine {
	var b bytes.Buffer
	slog.New(l.form(&b)).Error("lines of the log are missing here: the system's log did not take them in time", "lines", lost)
	return logLine{syslog.LOG_ERR, b.String()}
}

// deliver sends what is queued, and tries each line until the log takes it: the
// log's daemon may be started again, or be there only later. It returns when all is
// sent after close, or cannot be.
func (l *systemLog) deliver() {
	defer close(l.ended)
	for {
		line, found := l.next()
		if !found {
			return
		}
		for l.send(line) != nil {
			select {
			case <-time.After(logRetry):
			case <-l.closing:
				if l.send(line) != nil {
					return
				}
			}
		}
	}
}

// adopt makes what is written to stdout and stderr lines of the log. A crash's last
// words do not get that far: they need --log-file.
func (l *systemLog) adopt() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	if err := divertStdio(out); err != nil {
		return err
	}
	go l.forward(in)
	return nil
}

// forward logs each line of a pipe.
func (l *systemLog) forward(in io.Reader) {
	logger := slog.New(l.handler(l.form))
	for lines := bufio.NewReaderSize(in, mostLine); ; {
		text, err := lines.ReadSlice('\n')
		if text := strings.TrimSpace(string(text)); text != "" {
			logger.Warn("written to stderr", "text", text)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (l *systemLog) close() {
	close(l.closing)
	select {
	case <-l.ended:
	case <-time.After(logGrace):
	}
}
