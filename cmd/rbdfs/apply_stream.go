package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"rbdfs/snapshots"
)

// streamFile is a stream that is to be applied.
type streamFile struct {
	name   string
	file   *os.File
	length uint64 // bytes
	fresh  bool   // it starts from nothing
}

type streamFiles []streamFile

// close closes the streams.
func (s streamFiles) close() {
	for _, f := range s {
		_ = f.file.Close()
	}
}

// openStreams opens streams and checks each from its begin to its end, so that
// nothing is done for a list of which one is cut off.
func openStreams(names []string) (streams streamFiles, err error) {
	for _, name := range names {
		s, err := openStream(name)
		if err != nil {
			return streams, failf(exitStream, "stream %q cannot be read (%v); name another file", name, reason(err))
		}
		streams = append(streams, s)
		d, err := snapshots.CheckStream(context.Background(), s.file, s.length)
		if err != nil {
			return streams, failf(exitStream, "%q is no stream to be applied: %v; export it again; nothing was changed", name, err)
		}
		streams[len(streams)-1].fresh = d.From == ""
	}
	return streams, nil
}

// openStream opens one stream. What has no offsets, such as a pipe, is copied to a
// temporary file first: it is read twice.
func openStream(name string) (streamFile, error) {
	file := os.Stdin
	if name != "-" {
		var err error
		if file, err = os.Open(name); err != nil {
			return streamFile{}, err
		}
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		piped := file
		file, err = spool(piped)
		_ = piped.Close()
		if err == nil {
			info, err = file.Stat()
		}
	}
	if err != nil {
		return streamFile{}, err
	}
	return streamFile{name: name, file: file, length: uint64(info.Size())}, nil
}

// spool copies what is read to a file without a name.
func spool(r io.Reader) (*os.File, error) {
	file, err := os.CreateTemp("", "rbdfs-stream-")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(file.Name()); err == nil {
		_, err = io.Copy(file, r)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// isTerminal tells whether a file is one.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
