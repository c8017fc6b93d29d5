package crash

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestPurgeResumed kills a daemon while it purges, what was removed through it and
// in one round what another tool removed and a user had purged before its time. The
// next mount goes on, and nothing of the image is left.
func TestPurgeResumed(t *testing.T) {
	t.Parallel()          // it waits half a minute for the watches of the killed
	var prefixes []string // of the names of the images' objects
	for round := range 3 {
		name := fmt.Sprint("purged", round)
		// Small objects make the purge long.
		rbd(t, "create", "--size", "8M", "--object-size", "4K", spec(name))
		prefix, _, _ := strings.Cut(after(t, rbd(t, "info", spec(name)), "block_name_prefix: "), "\n")
		prefixes = append(prefixes, prefix+".")
		m := env.Start(t, harness.Options{})
		c := content.New(t, 0)
		f := content.Open(t, m.Path(name), os.O_RDWR)
		c.Write(t, f, 0, 8<<20)
		content.Close(t, f)
		if round == 1 {
			rbd(t, "trash", "mv", spec(name), "--expires-at", "now +2 hours")
			eventually(t, "the removal", func() error { return os.Remove(m.Path(".trash/" + name)) })
		} else {
			must(t, os.Remove(m.Path(name)))
		}
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		must(t, m.Kill())
	}
	if list := rbd(t, "trash", "ls", env.Pool); !strings.Contains(list, "purged") {
		t.Error("all purges were over before the daemon was killed")
	}
	env.Start(t, harness.Options{})
	eventually(t, "the purge", func() error {
		if list := rbd(t, "trash", "ls", env.Pool); strings.Contains(list, "purged") {
			return errors.New(list)
		}
		objects, err := env.Cluster.Rados(t.Context(), "-p", env.Pool, "ls")
		for _, prefix := range prefixes {
			if n := strings.Count(objects, prefix); err == nil && n > 0 {
				err = fmt.Errorf("%d objects of data are left", n)
			}
		}
		return err
	})
}

// after returns what follows a label.
func after(t *testing.T, text, label string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, label)
	if !ok {
		t.Fatalf("no %q in %s", label, text)
	}
	return rest
}

// eventually repeats a check for up to a minute: what is waited for may need the
// watch of a killed daemon to end, which takes 30 s.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		late := time.Since(begin) > time.Minute
		err := check()
		if err == nil {
			return
		}
		if late {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestRenameOverKilled kills a daemon in a row of renames over existing files.
// Nothing may be lost: the old file is there until the new one has its name.
func TestRenameOverKilled(t *testing.T) {
	const pairs = 12
	for round := range 3 {
		m := env.Start(t, harness.Options{})
		name := func(kind string, i int) string { return fmt.Sprintf("%s%d.%d", kind, round, i) }
		for i := range pairs {
			put(t, m.Path(name("old", i)), "old text")
			put(t, m.Path(name("new", i)), "new")
		}
		moved := make(chan int, 1)
		go func() {
			i := 0
			for i < pairs && os.Rename(m.Path(name("new", i)), m.Path(name("old", i))) == nil {
				i++
			}
			moved <- i
		}()
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		must(t, m.Kill())
		done := <-moved
		m = env.Start(t, harness.Options{})
		trash := rbd(t, "trash", "ls", env.Pool)
		for i := range pairs {
			checkMoved(t, m, name("new", i), name("old", i), trash, i < done)
		}
	}
}

// checkMoved fails unless the new text is under the old name, or under its own
// and the rename did not succeed, and then the old text under its name or in the
// trash.
func checkMoved(t *testing.T, m *harness.Mount, from, to, trash string, done bool) {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(m.Path(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		return string(text)
	}
	fromText, toText := read(from), read(to)
	newThere := toText == "new" && fromText == "" || fromText == "new" && !done
	oldThere := toText == "new" || toText == "old text" || slices.Contains(strings.Fields(trash), to)
	if !newThere || !oldThere {
		t.Errorf("after mv %s %s (done: %v): %q and %q, and the trash has %s", from, to, done, fromText, toText, trash)
	}
}
