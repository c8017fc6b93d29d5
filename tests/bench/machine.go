package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what the figures are of.
type machine struct {
	CPU    string
	Cores  int
	Memory int64 // bytes
	Kernel string
}

// thisMachine describes it.
func thisMachine() machine {
	m := machine{CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU()}
	size, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	m.Memory = kib(size)
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		m.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	return m
}

// String is one line for people.
func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %d GiB, Linux %s", m.CPU, m.Cores, (m.Memory+1<<29)>>30, m.Kernel)
}

// field is the first value of that name in a file of "name: value" lines.
func field(path, name string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// versions are those of the programs, as they tell them.
func versions(ctx context.Context, b *bench) []string {
	found := []string{runtime.Version()}
	for _, argv := range [][]string{
		{b.rbdfs, "version"}, {"rbd", "--version"}, {"fio", "--version"}, {"qemu-storage-daemon", "--version"},
	} {
		out, err := b.command(ctx, argv...)
		if err != nil {
			out = argv[0] + ": version unknown"
		}
		first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
		found = append(found, first)
	}
	return found
}
