package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"rbdfs/rbdio/librbd"
)

// Set at build time: -ldflags "-X main.version=1.0.0 -X main.commit=abc".
var version, commit string

// versionCmd is "rbdfs version".
type versionCmd struct {
	JSON bool `name:"json" help:"Write JSON."`
}

// versions is what "rbdfs version --json" writes.
type versions struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Librbd   string `json:"librbd"`   // of the library that is loaded
	Librados string `json:"librados"` // of the library that is loaded
}

// Run writes the versions to stdout.
func (c *versionCmd) Run(out console) error {
	v := currentVersions()
	if c.JSON {
		encoder := json.NewEncoder(out.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	_, err := fmt.Fprintf(out.stdout, "rbdfs %s (commit %s)\ngo %s\nlibrbd %s\nlibrados %s\n", v.Version, v.Commit, v.Go, v.Librbd, v.Librados)
	return err
}

// currentVersions asks the build, and the libraries.
func currentVersions() versions {
	loaded := librbd.Version()
	return versions{
		Version:  either(version, "devel"),
		Commit:   either(commit, either(vcsRevision(), "unknown")),
		Go:       runtime.Version(),
		Librbd:   loaded.Librbd,
		Librados: loaded.Librados,
	}
}

// vcsRevision is the commit that the Go command has noted in the program.
func vcsRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// either returns the first of two strings that is not empty.
func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
