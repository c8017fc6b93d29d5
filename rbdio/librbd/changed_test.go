package librbd

import (
	"testing"
	"time"

	"rbdfs/rbdio"
)

// A list's time moves with what is put into it or taken out, and only then.
func TestChanged(t *testing.T) {
	p := newPool(t)
	if at, err := p.Changed(rbdio.ListTrash); !at.IsZero() && time.Since(at) > time.Hour || err != nil {
		t.Errorf("the trash has %v, %v", at, err)
	}
	id, err := p.Create("img")
	must(t, err)
	made, err := p.Changed(rbdio.ListImages)
	if since := time.Since(made); since < 0 || since > time.Minute || err != nil {
		t.Errorf("an image was made now, the list is %v old, %v", since, err)
	}
	time.Sleep(time.Until(made.Add(1100 * time.Millisecond))) // Ceph 16 has it to the second
	must(t, p.SetMetadata(id, "a", "b"))
	if at, err := p.Changed(rbdio.ListImages); !at.Equal(made) || err != nil {
		t.Errorf("changed otherwise, the list has %v, %v; had %v", at, err, made)
	}
	rbdCommand(t, "rename", p.cfg.Pool+"/img", p.cfg.Pool+"/other")
	renamed, err := p.Changed(rbdio.ListImages)
	if !renamed.After(made) || err != nil {
		t.Errorf("renamed, the list has %v, %v; had %v", renamed, err, made)
	}
	rbdCommand(t, "trash", "mv", p.cfg.Pool+"/other")
	for _, list := range []rbdio.List{rbdio.ListImages, rbdio.ListTrash} {
		if at, err := p.Changed(list); at.Before(renamed) || err != nil {
			t.Errorf("removed, list %d has %v, %v; had %v", list, at, err, renamed)
		}
	}
}
