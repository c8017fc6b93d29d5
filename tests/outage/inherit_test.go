package outage

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"rbdfs/tests/content"
)

// TestStartsProgram starts programs while this process has a file open that waits for
// a frozen OSD: each closes its copy of the descriptor, in execve(2) or when it ends,
// and must not wait for the OSD. This process's own fsync and close do.
func TestStartsProgram(t *testing.T) {
	env.Mount.Check(t)
	f, c := file(t, env.Mount, "inherited", os.O_RDWR)
	c.Write(t, f, 0, 100) // has the image's lock
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	resume := pause(t) // at the test's end too: a child that waits cannot be killed
	c.Write(t, f, 5000, 100_000)
	for what, inherited := range map[string][]*os.File{
		"a program":                         nil,
		"a program that inherited the file": {f},
	} {
		cmd := exec.Command("/bin/true")
		cmd.ExtraFiles = inherited
		ended := make(chan error, 1)
		go func() { ended <- cmd.Run() }()
		if err := answered(t, what, 20*time.Second, ended); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	synced := make(chan error, 1)
	go func() { synced <- f.Sync() }()
	waits(t, "fsync", synced)
	resume()
	if err := answered(t, "fsync after the OSD came back", time.Minute, synced); err != nil {
		t.Error(err)
	}
	content.Close(t, f)
	c.Check(t, f.Name())
	if err := os.Remove(f.Name()); err != nil {
		t.Error(err)
	}
}
