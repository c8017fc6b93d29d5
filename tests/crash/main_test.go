package crash

import (
	"encoding/json"
	"testing"

	"rbdfs/tests/harness"
)

// env is set by TestMain, before any test runs. Each test mounts by itself.
var env *harness.Env

func TestMain(m *testing.M) {
	harness.Main(m, harness.Setup{NoMount: true}, func(e *harness.Env) { env = e })
}

var (
	must = harness.Must
	put  = harness.Put
)

func rbd(t *testing.T, args ...string) string { t.Helper(); return env.RBD(t, args...) }

func spec(image string) string { return env.Spec(image) }

// ceph runs the ceph command as client.admin.
func ceph(t *testing.T, args ...string) {
	t.Helper()
	if _, err := env.Cluster.Ceph(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// watchers are the addresses of the clients that have an image open for writing.
func watchers(t *testing.T, image string) []string {
	t.Helper()
	var status struct{ Watchers []struct{ Address string } }
	must(t, json.Unmarshal([]byte(rbd(t, "status", "--format", "json", spec(image))), &status))
	var list []string
	for _, w := range status.Watchers {
		list = append(list, w.Address)
	}
	return list
}

// evict blocklists whoever has one of these images open for writing. The watches
// and locks of a daemon that was killed would stay for half a minute.
func evict(t *testing.T, images ...string) {
	t.Helper()
	done := map[string]bool{}
	for _, image := range images {
		for _, address := range watchers(t, image) {
			if !done[address] {
				ceph(t, "osd", "blocklist", "add", address)
				done[address] = true
			}
		}
	}
}
