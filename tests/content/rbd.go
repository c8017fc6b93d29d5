package content

import (
	"encoding/json"
	"testing"

	"rbdfs/tests/cluster"
)

// CheckExport compares an image, as the rbd command sees it, with the content.
// spec is POOL[/NAMESPACE]/IMAGE.
func (c *Content) CheckExport(tb testing.TB, on *cluster.Cluster, spec string) {
	tb.Helper()
	out, err := on.RBD(tb.Context(), "export", "--no-progress", spec, "-")
	if err != nil {
		tb.Fatal(err)
	}
	same(tb, "rbd export", []byte(out), c.Bytes, 0)
}

// Used is what "rbd du" says of an image, in bytes.
func Used(tb testing.TB, on *cluster.Cluster, spec string) int64 {
	tb.Helper()
	out, err := on.RBD(tb.Context(), "du", "--format", "json", spec)
	if err != nil {
		tb.Fatal(err)
	}
	var du struct {
		Images []struct {
			Used int64 `json:"used_size"`
		}
	}
	if err := json.Unmarshal([]byte(out), &du); err != nil || len(du.Images) == 0 {
		tb.Fatalf("rbd du: %v: %s", err, out)
	}
	return du.Images[len(du.Images)-1].Used
}
