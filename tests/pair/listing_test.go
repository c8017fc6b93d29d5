package pair

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestListing lists with attributes, again and again, while the other host and
// the rbd command change what is listed.
func TestListing(t *testing.T) {
	a, b := hosts(t)
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("list-%02d", i))
		put(t, a.Path(names[i]), "x")
	}
	for _, m := range []*harness.Mount{a, b} {
		soon(t, "new images", listed(m, names[29], "-rw------- 1 root root 1 "))
	}
	must(t, os.Truncate(a.Path(names[7]), 77))
	must(t, listed(a, names[7], "-rw------- 1 root root 77 ")())
	soon(t, "a new size", listed(b, names[7], "-rw------- 1 root root 77 "))
	must(t, os.Chmod(b.Path(names[8]), 0o751))
	must(t, listed(b, names[8], "-rwxr-x--x 1 root root 1 ")())
	soon(t, "a new mode", listed(a, names[8], "-rwxr-x--x 1 root root 1 "))
	rbd(t, "resize", "--no-progress", "--size", "3M", spec(names[9]))
	for _, m := range []*harness.Mount{a, b} {
		soon(t, "rbd resize", listed(m, names[9], "-rw------- 1 root root 3145728 "))
	}
	must(t, os.Rename(a.Path(names[10]), a.Path("list-new")))
	must(t, listed(a, "list-new", "-rw------- 1 root root 1 ")())
	soon(t, "a new name", listed(b, "list-new", "-rw------- 1 root root 1 "))
	soon(t, "an old name", absent(b, names[10]))
	f := content.Open(t, a.Path(names[11]), os.O_RDWR|os.O_APPEND)
	for i := 2; i < 20; i++ {
		_, err := f.WriteString("x")
		must(t, err)
		must(t, listed(a, names[11], fmt.Sprintf("-rw------- 1 root root %d ", i))())
	}
	content.Close(t, f)
	must(t, listed(a, names[11], "-rw------- 1 root root 19 ")())
	must(t, listed(b, names[0], "-rw------- 1 root root 1 ")())
	put(t, a.Path(names[0]), "more")
	must(t, listed(b, names[1], "-rw------- 1 root root 1 ")())
	soon(t, "what was written", func() error {
		got, err := os.ReadFile(b.Path(names[0]))
		if err == nil && string(got) != "more" {
			err = fmt.Errorf("it holds %q", got)
		}
		return err
	})
	for _, name := range append(names, "list-new") {
		if name != names[10] {
			must(t, os.Remove(a.Path(name)))
		}
	}
}

// listed fails unless ls -l shows the image with these attributes.
func listed(m *harness.Mount, name, attributes string) func() error {
	return func() error {
		out, err := exec.Command("ls", "-l", m.Dir).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ls -l: %w: %s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasSuffix(line, " "+name+"\n") {
				if got := strings.Join(strings.Fields(line), " "); !strings.HasPrefix(got, attributes) {
					return fmt.Errorf("ls -l shows %s, want %s", got, attributes)
				}
				return nil
			}
		}
		return fmt.Errorf("ls -l does not show it")
	}
}
