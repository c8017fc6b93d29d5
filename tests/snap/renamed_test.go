package snap

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A backup that is in .snap/OLDNAME goes on when another client renames the image,
// and anyone looks at it by its new name; and when it is looked at in the trash.
func TestBackupOfARenamedImage(t *testing.T) {
	env.Mount.Check(t)
	cleared(t)
	image(t, "old", []byte("data"))
	for _, s := range []string{"s", "t"} {
		must(t, os.Mkdir(filepath.Join(snapsOf("old"), s), 0o755))
	}
	dir, err := os.OpenRoot(snapsOf("old"))
	must(t, err)
	defer dir.Close()
	wantBackup(t, dir)
	rbd(t, "rename", spec("old"), spec("new"))
	soon(t, "the new name shows", func() error { _, err := os.Stat(env.Mount.Path("new")); return err })
	wantBackup(t, dir)
	if got := names(t, env.Mount.Path(".snap/new/s")); got != "[new]" {
		t.Errorf("by its new name, the snapshot lists %s", got)
	}

	rbd(t, "trash", "mv", spec("new"))
	soon(t, "it shows in the trash", func() error { _, err := os.Stat(env.Mount.Path(".trash/new")); return err })
	for _, entry := range []string{"s", "t"} {
		list, err := fs.ReadDir(dir.FS(), entry)
		if err != nil || len(list) != 1 || list[0].Name() != "new" {
			t.Errorf("the snapshot %s lists %v, %v", entry, list, err)
		}
	}
	must(t, os.Rename(env.Mount.Path(".trash/new"), env.Mount.Path("old")))
}

// wantBackup reads every file below a directory of snapshots, as tar does.
func wantBackup(t *testing.T, dir *os.Root) {
	t.Helper()
	files := 0
	err := fs.WalkDir(dir.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		got, err := dir.ReadFile(path)
		if err == nil && (string(got) != "data" || e.Name() != "old") {
			err = fmt.Errorf("%s has %q", path, got)
		}
		return err
	})
	if err != nil || files != 2 {
		t.Errorf("the backup has %d files: %v", files, err)
	}
}
