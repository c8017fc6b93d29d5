package main

import (
	"errors"
	"fmt"
	"strings"
)

// exitCode is how rbdfs ended. A code keeps its meaning for ever, since scripts
// and units test for it; 2 is left to the Go runtime, which ends so after a
// panic.
type exitCode int

// The exit codes; exitSentences says what each means.
const (
	exitOK          exitCode = 0
	exitInternal    exitCode = 1
	exitUsage       exitCode = 3
	exitInterrupted exitCode = 4
	exitLogFile     exitCode = 5
	exitFlush       exitCode = 6
	exitLeftDead    exitCode = 7

	exitConfMissing    exitCode = 10
	exitConfUnreadable exitCode = 11
	exitKeyringMissing exitCode = 12
	exitAuthRefused    exitCode = 13
	exitMonsSilent     exitCode = 14
	exitPoolMissing    exitCode = 15
	exitNamespace      exitCode = 16
	exitPoolNotInit    exitCode = 17
	exitCaps           exitCode = 18
	exitCephOption     exitCode = 19
	exitDataPool       exitCode = 20
	exitCluster        exitCode = 21
	exitKeyType        exitCode = 22

	exitDirMissing  exitCode = 30
	exitDirNotDir   exitCode = 31
	exitDirNotEmpty exitCode = 32
	exitDirMounted  exitCode = 33
	exitDirStale    exitCode = 34
	exitDirUnusable exitCode = 35

	exitFuseMissing  exitCode = 40
	exitFusermount   exitCode = 41
	exitFuseConf     exitCode = 42
	exitMountRefused exitCode = 43

	exitDaemonDied exitCode = 50
	exitDaemonSlow exitCode = 51

	exitNotRbdfs      exitCode = 60
	exitBusy          exitCode = 61
	exitUmountRefused exitCode = 62

	exitStream      exitCode = 70
	exitStreamStart exitCode = 71
	exitApplyImage  exitCode = 72
	exitApply       exitCode = 73
	exitUndo        exitCode = 74
	exitApplySignal exitCode = 75
)

// exitSentences is the table that the README prints.
var exitSentences = map[exitCode]string{
	exitOK:          "The command did what it was asked to; a mount was unmounted and everything is flushed.",
	exitInternal:    "Something failed that rbdfs has no code for; the message says what.",
	exitUsage:       "The command line, or an RBDFS_ variable, is wrong.",
	exitInterrupted: "A signal ended rbdfs before the mount was there.",
	exitLogFile:     "The file of --log-file cannot be written.",
	exitFlush:       "Writes could not be flushed when the mount ended; the images may lack them.",
	exitLeftDead:    "The mount ended and everything is flushed, but a dead mount is left on its directory or another one.",

	exitConfMissing:    "There is no ceph.conf.",
	exitConfUnreadable: "The ceph.conf cannot be read, or is not in its format.",
	exitKeyringMissing: "There is no keyring in Ceph's format, or none that has this user's key.",
	exitAuthRefused:    "The cluster refuses the user or the key.",
	exitMonsSilent:     "No monitor answers in time, or none is known.",
	exitPoolMissing:    "The pool does not exist.",
	exitNamespace:      "The namespace does not exist in the pool.",
	exitPoolNotInit:    "The pool is not initialised for RBD.",
	exitCaps:           "The user's cephx caps are too small to list the pool's images.",
	exitCephOption:     "Ceph does not take an option of --ceph-option, CEPH_ARGS or the like.",
	exitDataPool:       "The pool of --data-pool does not exist.",
	exitCluster:        "The cluster answers, but with an error; the message says which.",
	exitKeyType:        "The keyring has a key of a type that the installed librados does not know, aes256k before 19.2.6 and 20.2.4.",

	exitDirMissing:  "The directory to mount on does not exist.",
	exitDirNotDir:   "What to mount on is not a directory.",
	exitDirNotEmpty: "The directory to mount on is not empty.",
	exitDirMounted:  "Something is mounted on the directory already.",
	exitDirStale:    "A mount whose daemon is gone is left on the directory.",
	exitDirUnusable: "The directory to mount on cannot be used, by its permissions or because it does not answer.",

	exitFuseMissing:  "/dev/fuse is missing or cannot be opened.",
	exitFusermount:   "fusermount3 is missing, which a user other than root needs.",
	exitFuseConf:     "--allow-other needs user_allow_other in /etc/fuse.conf.",
	exitMountRefused: "The kernel or fusermount3 refuses to mount.",

	exitDaemonDied: "The background daemon was killed before the mount answered.",
	exitDaemonSlow: "The background daemon did not have a mount that answers in time, and was ended.",

	exitNotRbdfs:      "What to unmount is not an rbdfs mount.",
	exitBusy:          "Files of the mount are open.",
	exitUmountRefused: "The mount cannot be unmounted, for lack of permission or another reason.",

	exitStream:      "A stream cannot be read, is not whole or is no stream; nothing of it was applied.",
	exitStreamStart: "The image does not stand at the snapshot that a stream starts from, or has the one that it leads to; nothing of it was applied.",
	exitApplyImage:  "The image to apply to cannot be found, opened or made, or is in use.",
	exitApply:       "A stream could not be applied; the image is as it was before that stream.",
	exitUndo:        "A stream could not be applied, and the image could not be put back; the next apply does that first.",
	exitApplySignal: "A signal ended apply; the image is as it was before the stream under way.",
}

// failure is an error with its exit code. Its text is the sentence for stderr,
// without the program's name.
type failure struct {
	code exitCode
	text string
}

// failf makes a failure from a format.
func failf(code exitCode, format string, args ...any) *failure {
	return &failure{code: code, text: fmt.Sprintf(format, args...)}
}

// said is the failure of a command whose sentence is on stderr already.
func said(code exitCode) *failure { return &failure{code: code} }

// Error gives the sentence.
func (f *failure) Error() string { return f.text }

// codeOf returns the exit code that an error carries.
func codeOf(err error) exitCode {
	var f *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	default:
		return exitInternal
	}
}

// sentence is the line on stderr for an error: whatever it wraps, one line.
func sentence(err error) string {
	return "rbdfs: " + strings.Join(strings.Fields(err.Error()), " ")
}
