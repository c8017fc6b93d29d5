package posix

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// envChild is the directory to run cases in, in the processes that TestAllowed
// starts.
const envChild = "RBDFS_POSIX_CHILD"

// TestAllowed runs the cases on the list and fails for each that passes. Each
// runs in a process of its own, since a test cannot take a failure back.
func TestAllowed(t *testing.T) {
	env.Mount.Check(t)
	for name, reason := range allowed {
		t.Run(name, func(t *testing.T) {
			if posixtest.All[name] == nil {
				t.Fatalf("posixtest has no case %s; take it off the list", name)
			}
			t.Cleanup(func() { empty(t) })
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^TestAll$/^"+name+"$")
			cmd.Env = append(os.Environ(), envChild+"="+env.Mount.Dir)
			out, err := cmd.CombinedOutput()
			failed := err != nil && strings.Contains(string(out), "--- FAIL: TestAll/"+name+" ")
			skipped := err == nil && strings.Contains(string(out), "--- SKIP: TestAll/"+name+" ")
			if !failed && !skipped {
				t.Errorf("does not fail, though on the list (%s): %v\n%s", reason, err, out)
			}
		})
	}
}
