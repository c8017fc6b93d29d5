package snap

import (
	"os"
	"path/filepath"
	"testing"
)

// A snapshot's file has the mode and owner that the image had, less the write
// permissions, also on another mount.
func TestSnapshotModeIsOfThatMoment(t *testing.T) {
	env.Mount.Check(t)
	path := image(t, "vm", []byte("data"))
	must(t, os.Chmod(path, 0o640))
	must(t, os.Chown(path, 7, 8))
	must(t, os.Mkdir(filepath.Join(snapsOf("vm"), "s"), 0o755))
	must(t, os.Chmod(path, 0o604))
	must(t, os.Chown(path, 9, 10))
	st := stat(t, snapOf("vm", "s"))
	if st.Mode&0o777 != 0o440 || st.Uid != 7 || st.Gid != 8 {
		t.Errorf("mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
	}
	st = stat(t, path)
	if st.Mode&0o777 != 0o604 || st.Uid != 9 || st.Gid != 10 {
		t.Errorf("the image has mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
	}
}
