package crash

import (
	"os"
	"syscall"
	"testing"

	"rbdfs/tests/content"
	"rbdfs/tests/harness"
)

// TestTermFlushes ends a daemon by two SIGTERMs while a file has data that was
// neither fsynced nor closed.
func TestTermFlushes(t *testing.T) {
	m := env.Start(t, harness.Options{})
	m.ExpectLog(t, `level=WARN .*in use`)
	c := content.New(t, 0)
	f := content.Open(t, m.Path("term"), os.O_RDWR|os.O_CREATE)
	c.Write(t, f, 0, 5_000_001)
	must(t, m.Signal(syscall.SIGTERM))
	m.WaitLog(t, `level=WARN .*in use and goes on serving`)
	c.Write(t, f, 5_000_001, 1_000_000)
	must(t, m.Signal(syscall.SIGTERM))
	must(t, m.Exit())
	c.CheckExport(t, env.Cluster, spec("term"))
}
