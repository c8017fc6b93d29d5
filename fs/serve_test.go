package fs

import (
	"strings"
	"testing"
)

func TestUnescapeMount(t *testing.T) {
	for _, c := range []struct{ escaped, want string }{
		{"/mnt/pool", "/mnt/pool"},
		{`/mnt/my\040pool`, "/mnt/my pool"},
		{`/a\011b\012c\134d`, "/a\tb\nc\\d"},
		{`/\134040`, `/\040`}, // an escaped backslash is not the start of another
		{`/\041`, `/\041`},    // the kernel escapes nothing else
		{`/trailing\04`, `/trailing\04`},
	} {
		if got := unescapeMount(c.escaped); got != c.want {
			t.Errorf("unescapeMount(%q) = %q, want %q", c.escaped, got, c.want)
		}
	}
}

func FuzzUnescapeMount(f *testing.F) {
	f.Add("/mnt/my pool\\040")
	f.Fuzz(func(t *testing.T, path string) {
		escaped := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(path)
		if got := unescapeMount(escaped); got != path {
			t.Errorf("%q is escaped as %q, and comes back as %q", path, escaped, got)
		}
	})
}

func TestDeviceOf(t *testing.T) {
	if dev, err := deviceOf("/proc"); err != nil || !strings.Contains(dev, ":") {
		t.Errorf("/proc is device %q, %v", dev, err)
	}
	if dev, err := deviceOf(t.TempDir()); err == nil {
		t.Errorf("a folder that is not a mount is device %q", dev)
	}
}
