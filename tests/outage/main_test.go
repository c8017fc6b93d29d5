package outage

import (
	"fmt"
	"os"
	"testing"
	"time"

	"rbdfs/tests/cluster"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs.
var env *harness.Env

func TestMain(m *testing.M) {
	if os.Getenv(cluster.EnvConf) != "" {
		fmt.Printf("skipped: needs a cluster whose daemons it may stop, and %s names an existing one\n", cluster.EnvConf)
		return
	}
	if err := os.Unsetenv(cluster.EnvCluster); err != nil {
		panic(err)
	}
	harness.Main(m, harness.Setup{}, func(e *harness.Env) { env = e })
}

// theOSD holds all data, so that nothing goes on without it.
const theOSD = "osd.0"

// pause freezes the OSD until resume, or the end of the test.
func pause(t *testing.T) (resume func()) {
	t.Helper()
	if err := env.Cluster.PauseDaemon(theOSD); err != nil {
		t.Fatal(err)
	}
	paused := true
	resume = func() {
		if paused {
			paused = false
			if err := env.Cluster.ResumeDaemon(theOSD); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(resume)
	return resume
}

// file makes a file with data and opens it.
func file(t *testing.T, m *harness.Mount, name string, flags int) (*os.File, *content.Content) {
	t.Helper()
	c := content.New(t, 0)
	f := content.Open(t, m.Path(name), os.O_RDWR|os.O_CREATE)
	c.Write(t, f, 0, 9_000_001)
	content.Close(t, f)
	return content.Open(t, m.Path(name), flags), c
}

// waits fails when there is an answer within a second and a half.
func waits[T any](t *testing.T, what string, answer <-chan T) {
	t.Helper()
	select {
	case got := <-answer:
		t.Fatalf("%s did not wait for the OSD: %v", what, got)
	case <-time.After(1500 * time.Millisecond):
	}
}

// answered is the answer within a limit.
func answered[T any](t *testing.T, what string, limit time.Duration, answer <-chan T) T {
	t.Helper()
	select {
	case got := <-answer:
		return got
	case <-time.After(limit):
		t.Fatalf("%s: no answer within %v", what, limit)
		panic("not reached")
	}
}
