package main

import "log/syslog"

// logTag is the program's name in the system's log.
const logTag = "rbdfs"

// openSyslog connects to the system's log.
func openSyslog() (*syslog.Writer, error) { return syslog.New(syslog.LOG_DAEMON, logTag) }

// hasSyslog tells whether there is a system's log now.
func hasSyslog() bool {
	w, err := openSyslog()
	if err != nil {
		return false
	}
	_ = w.Close()
	return true
}

// syslogSender returns a function that sends lines to the system's log, and connects
// first if need be. It may wait for as long as the log is stuck.
func syslogSender() func(logLine) error {
	var w *syslog.Writer
	return func(line logLine) (err error) {
		if w == nil {
			if w, err = openSyslog(); err != nil {
				return err
			}
		}
		switch line.severity { // by name, as the writer's own severity is fixed
		case syslog.LOG_DEBUG:
			return w.Debug(line.text)
		case syslog.LOG_INFO:
			return w.Info(line.text)
		case syslog.LOG_WARNING:
			return w.Warning(line.text)
		default:
			return w.Err(line.text)
		}
	}
}
