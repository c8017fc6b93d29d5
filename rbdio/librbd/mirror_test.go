package librbd

import (
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

// The mirror of another cluster's image opens for reading alone, until it is
// promoted.
func TestMirrorNonPrimary(t *testing.T) {
	p := newPool(t)
	rbdCommand(t, "mirror", "pool", "enable", p.cfg.Pool, "image")
	for _, mode := range []string{"journal", "snapshot"} {
		t.Run(mode, func(t *testing.T) {
			spec := p.cfg.Pool + "/" + mode
			id := create(t, p, mode, 1<<20, "")
			if mode == "journal" {
				rbdCommand(t, "feature", "enable", spec, "journaling")
			}
			rbdCommand(t, "mirror", "image", "enable", spec, mode)
			img, err := p.Open(id)
			must(t, err)
			must(t, img.WriteAt([]byte{1}, 0))
			must(t, img.Close())
			rbdCommand(t, "mirror", "image", "demote", spec)
			_, err = p.Open(id)
			t.Log(err)
			wantErrno(t, err, syscall.EROFS)
			compare(t, openRead(t, p, id), append([]byte{1}, make([]byte, 1<<20-1)...))
			rbdCommand(t, "mirror", "image", "promote", "--force", spec)
			img, err = p.Open(id)
			must(t, err)
			must(t, img.WriteAt([]byte{2}, 0))
			must(t, img.Close())
			// Mirroring, and its snapshots, end with the image.
			_, err = p.Remove(mode, epoch)
			must(t, err)
			must(t, p.Purge(id, &rbdio.Progress{}))
		})
	}
}
