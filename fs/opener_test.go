package fs

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// request is the context of a request that a process makes.
func request(pid int) context.Context {
	return fuse.NewContext(context.Background(), &fuse.Caller{Pid: uint32(pid)})
}

// child starts a process that lives until end.
func child(t *testing.T) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	end = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	t.Cleanup(end)
	return cmd.Process.Pid, end
}

func TestOpenerCloses(t *testing.T) {
	mine := request(os.Getpid())
	pid, end := child(t)
	theirs := request(pid)

	o := newOpener(mine)
	defer o.close()
	if o.closes(theirs) {
		t.Error("the close of a child waits, although this process has the file open")
	}
	if !o.closes(mine) || !o.closes(theirs) {
		t.Error("a close does not wait that may be the last")
	}
	o = newOpener(theirs)
	defer o.close()
	if o.closes(mine) {
		t.Error("the close of another process waits")
	}
	end()
	if !o.closes(mine) {
		t.Error("the close of an heir does not wait")
	}
	for name, o := range map[string]*opener{"no pid": newOpener(request(0)), "no caller": newOpener(context.Background())} {
		if o.close(); !o.closes(mine) {
			t.Errorf("%s: a close does not wait, although nobody knows whose it is", name)
		}
	}
}
