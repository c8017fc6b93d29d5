package leaks

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

var must = harness.Must

// parallel runs work for 0 to n-1, eight at once.
func parallel(t *testing.T, n int, work func(i int) error) {
	t.Helper()
	next := make(chan int)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// memory is the daemon's resident memory in bytes (proc_pid_statm(5)).
func memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", env.Mount.Pid))
	must(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	must(t, err)
	return pages * os.Getpagesize()
}

// descriptors is how many a daemon has.
func descriptors(t *testing.T, m *harness.Mount) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.Pid))
	must(t, err)
	return len(list)
}
