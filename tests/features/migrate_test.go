package features

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestMigrating copies an image whose data is still at its migration's source, another
// image or a file, by programs that skip what they take for holes. (Ceph 16's own rbd
// diff ends with an assertion on the import.)
func TestMigrating(t *testing.T) {
	pool, dir := env.Cluster.Pool(t), t.TempDir()
	m := env.Start(t, harness.Options{Pool: pool})
	data := harness.Random(t, 9<<20)
	raw := filepath.Join(dir, "raw")
	harness.Must(t, os.WriteFile(raw, data, 0o600))
	rbd(t, "import", raw, pool+"/source")
	rbd(t, "migration", "prepare", pool+"/source", pool+"/moved")
	spec := fmt.Sprintf(`{"type":"raw","stream":{"type":"file","file_path":%q}}`, raw)
	rbd(t, "migration", "prepare", "--import-only", "--source-spec", spec, pool+"/imported")
	for _, name := range []string{"moved", "imported"} {
		if st := content.Stat(t, m.Path(name)); st.Blocks == 0 {
			t.Errorf("%s has no blocks, so holds nothing", name)
		}
		copied, unpacked := filepath.Join(dir, name), filepath.Join(dir, "tar", name)
		harness.Run(t, "cp", "--sparse=always", m.Path(name), copied)
		harness.Must(t, os.MkdirAll(filepath.Dir(unpacked), 0o700))
		harness.Run(t, "sh", "-c", fmt.Sprintf("tar -C %s -Scf - %s | tar -C %s -Sxf -", m.Dir, name, filepath.Dir(unpacked)))
		for _, path := range []string{copied, unpacked} {
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s is not as the image, %v", path, err)
			}
		}
		f := content.Open(t, m.Path(name), os.O_RDWR)
		_, err := f.WriteAt(data[:100], 5000)
		harness.Must(t, err)
		content.Close(t, f)
		harness.Reads(t, m.Path(name), string(data[:5000])+string(data[:100])+string(data[5100:]))
	}
}
