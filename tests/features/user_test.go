package features

import (
	"os"
	"syscall"
	"testing"

	"rbdfs/tests/cluster"
	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestReadOnlyUser mounts as a user whose caps allow reading alone.
func TestReadOnlyUser(t *testing.T) {
	image := imageName(t)
	c := filled(t, image, 9_000_001)
	m := env.Start(t, harness.Options{User: cluster.RBDReadOnly, ReadOnly: true})
	c.Check(t, m.Path(image))
	checkNoChanges(t, m, image, syscall.EACCES, syscall.EPERM, syscall.EROFS)
	c.Check(t, m.Path(image))
}

// TestNamespace works in a namespace, as a user who may use nothing else.
func TestNamespace(t *testing.T) {
	rbd(t, "namespace", "create", env.Pool+"/ns")
	user, err := env.Cluster.CreateUser(t.Context(), cluster.ReadWriteCaps("pool="+env.Pool+" namespace=ns")...)
	if err != nil {
		t.Fatal(err)
	}
	outside := imageName(t) + ".outside"
	filled(t, outside, 1_000_000)
	for _, user := range []string{cluster.RBD, user} {
		m := env.Start(t, harness.Options{Pool: env.Pool + "/ns", User: user})
		names, err := os.ReadDir(m.Dir)
		if err != nil || len(names) != 0 {
			t.Fatalf("listing of an empty namespace: %v, %v", names, err)
		}
		image := env.Pool + "/ns/vm"
		rbd(t, "create", "--size", bytesArg(5_000_001), image)
		c := content.New(t, 5_000_001)
		c.Scribble(t, m.Path("vm"), 20)
		c.Check(t, m.Path("vm"))
		c.CheckExport(t, env.Cluster, image)
		if err := os.Rename(m.Path("vm"), m.Path("vm2")); err != nil {
			t.Fatal(err)
		}
		c.Check(t, m.Path("vm2"))
		if err := os.Remove(m.Path("vm2")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(m.Path(outside)); !os.IsNotExist(err) {
			t.Errorf("an image outside the namespace: %v", err)
		}
		if err := m.Unmount(); err != nil {
			t.Fatal(err)
		}
	}
}
