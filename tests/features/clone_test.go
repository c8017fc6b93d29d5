package features

import (
	"testing"

	"rbdfs/tests/content"
)

// TestClones changes clones of both formats, and leaves their parent as it was.
func TestClones(t *testing.T) {
	for _, format := range []string{"1", "2"} {
		t.Run("v"+format, func(t *testing.T) {
			env.Mount.Check(t)
			clone := imageName(t)
			parent := clone + ".parent"
			base := filled(t, parent, 11_000_003)
			snap := spec(parent) + "@s"
			rbd(t, "snap", "create", "--no-progress", snap)
			if format == "1" {
				rbd(t, "snap", "protect", snap)
			}
			rbd(t, "clone", "--rbd-default-clone-format", format, snap, spec(clone))
			c := content.New(t, 0)
			c.Bytes = append([]byte(nil), base.Bytes...)
			path := temporary(t, env.Mount.Path(clone))
			c.Check(t, path)
			for range 2 {
				c.Scribble(t, path, 15)
				c.Check(t, path)
				c.CheckExport(t, env.Cluster, spec(clone))
			}
			checkShrinkAndGrow(t, c, path)
			base.CheckExport(t, env.Cluster, snap)
			base.Check(t, env.Mount.Path(parent))
		})
	}
}

// TestCloneShrunk cuts a clone and grows it: the parent must not show through.
func TestCloneShrunk(t *testing.T) {
	env.Mount.Check(t)
	clone := imageName(t)
	parent := clone + ".parent"
	base := filled(t, parent, 3*objectSize+999)
	rbd(t, "snap", "create", "--no-progress", spec(parent)+"@s")
	rbd(t, "clone", "--rbd-default-clone-format", "2", spec(parent)+"@s", spec(clone))
	c := content.New(t, 0)
	c.Bytes = append([]byte(nil), base.Bytes...)
	path := env.Mount.Path(clone)
	f := content.Open(t, path, writing)
	c.Truncate(t, f, objectSize/2+77)
	c.Truncate(t, f, 5*objectSize)
	c.Punch(t, f, 100, 1000)
	content.Close(t, f)
	c.Check(t, path)
	c.CheckExport(t, env.Cluster, spec(clone))
	// Punching a whole object of a clone hides the parent's.
	rbd(t, "clone", "--rbd-default-clone-format", "2", spec(parent)+"@s", spec(clone+"2"))
	c.Bytes = append([]byte(nil), base.Bytes...)
	f = content.Open(t, env.Mount.Path(clone+"2"), writing)
	c.Punch(t, f, 0, 2*objectSize)
	content.Close(t, f)
	c.Check(t, env.Mount.Path(clone+"2"))
	c.CheckExport(t, env.Cluster, spec(clone+"2"))
}
