package main

import (
	"bytes"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parse parses a command line that must not end the process.
func parse(t *testing.T, args ...string) (*cli, error) {
	t.Helper()
	c := &cli{}
	parser, err := newParser(c, console{io.Discard, io.Discard}, kong.Exit(func(code int) { t.Errorf("exit %d", code) }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return c, err
}

func TestDefaults(t *testing.T) {
	c, err := parse(t, "mount", "rbd/ns", "/mnt")
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mount
	if m.Pool != (poolSpec{"rbd", "ns"}) || m.Dir != "/mnt" {
		t.Errorf("arguments: %+v", m)
	}
	if m.FileMode != 0o600 || m.DirMode != 0o700 || m.Cache != "writeback" || m.SnapDir != "hidden" {
		t.Errorf("defaults: %+v", m)
	}
	if int(m.UID) != os.Getuid() || int(m.GID) != os.Getgid() {
		t.Errorf("owner %d:%d", m.UID, m.GID)
	}
	if m.ObjectSize != 0 || m.ImageFeatures != nil || m.TrashKeep != 0 || m.IOTimeout != 0 || m.LogLevel != "info" || m.LogFormat != "text" {
		t.Errorf("defaults: %+v", m)
	}
}

func TestFlagsReachLibrbd(t *testing.T) {
	c, err := parse(t, "mount", "-c", "/c", "-n", "client.x", "-k", "/k", "--cluster=y", "-m", "h1,h2", "--ceph-option", "a=b,c", "--ceph-option=d=e;f",
		"--cache=none", "--object-size=8M", "--image-features=layering,exclusive-lock", "--data-pool=ec", "--io-timeout=30s", "--exclusive", "rbd", "/mnt")
	if err != nil {
		t.Fatal(err)
	}
	got := c.Mount.librbdConfig(nil)
	if !reflect.DeepEqual(got.Options, []string{"a=b,c", "d=e;f"}) {
		t.Errorf("options %q", got.Options)
	}
	if got.Conf != "/c" || got.Name != "client.x" || got.Keyring != "/k" || got.Cluster != "y" || got.MonHost != "h1,h2" {
		t.Errorf("who: %+v", got)
	}
	if got.Cache != "none" || got.ObjectSize != 8<<20 || len(got.Features) != 2 || got.DataPool != "ec" || got.IOTimeout != 30*time.Second || !got.Exclusive {
		t.Errorf("images: %+v", got)
	}
}

func TestFlagBeforeEnvironmentBeforeDefault(t *testing.T) {
	t.Setenv("RBDFS_FILE_MODE", "0644")
	t.Setenv("RBDFS_DIR_MODE", "0755")
	t.Setenv("RBDFS_READ_ONLY", "true")
	t.Setenv("RBDFS_CEPH_OPTION", "a=b;c,d")
	c, err := parse(t, "mount", "--dir-mode", "0711", "rbd", "/mnt")
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mount
	if m.FileMode != 0o644 || m.DirMode != 0o711 || !m.ReadOnly || !reflect.DeepEqual(m.CephOption, []cephOption{{"a", "b;c,d"}}) {
		t.Errorf("%+v", m)
	}
}

func TestImageSpec(t *testing.T) {
	for spec, want := range map[string]struct {
		pool  poolSpec
		image string
	}{"rbd:p/i": {poolSpec{"p", ""}, "i"}, "rbd:p/n/i": {poolSpec{"p", "n"}, "i"}} {
		if pool, image, err := parseImageSpec(spec); err != nil || pool != want.pool || image != want.image {
			t.Errorf("%s is %v, %q, %v", spec, pool, image, err)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, line := range []string{
		"", "mount", "mount rbd", "mount rbd /mnt more", "unmount /mnt", "mount --no-such rbd /mnt",
		"mount /x /mnt", "mount rbd /mnt --file-mode=999", "mount rbd /mnt --dir-mode=1777", "mount rbd /mnt --object-size=5M",
		"mount rbd /mnt --cache=fast", "mount rbd /mnt --snapdir=maybe", "mount rbd /mnt --image-features=fast-diff",
		"mount rbd /mnt --ceph-option=x", "mount rbd /mnt --trash-keep=-1s", "mount rbd /mnt --io-timeout=soon", "mount rbd /mnt --io-timeout=-1s",
		"mount rbd /mnt --id=a --name=client.a", "mount rbd /mnt --id=client.a", "mount rbd /mnt --name=a", "mount rbd /mnt --uid=-1",
		"mount rbd /mnt --log-format=xml", "mount rbd /mnt --log-level=loud", "mount rbd /mnt --read-only --exclusive",
		"umount", "version more", "apply", "apply /mnt/vm", "apply - - /mnt/vm", "apply f -", "apply f rbd:vm", "apply f rbd:a/b/c/d", "apply f rbd:a/",
		"apply f rbd:a/b@c", "apply f /mnt/vm --id=client.a",
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(line), console{&stdout, &stderr})
		if code != exitUsage {
			t.Errorf("%q exits with %d", line, code)
		}
		checkSentence(t, stderr.String())
		if !strings.Contains(stderr.String(), "--help") || stdout.Len() > 0 {
			t.Errorf("%q: %q, stdout %q", line, stderr.String(), stdout.String())
		}
	}
}

// checkSentence checks the form of what a failing command says.
func checkSentence(t *testing.T, text string) {
	t.Helper()
	if !strings.HasPrefix(text, "rbdfs: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("not one sentence: %q", text)
	}
}

func TestEveryFlagHasHelpAndVariable(t *testing.T) {
	parser, err := newParser(&cli{}, console{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if flag.Name == "help" {
				continue
			}
			if flag.Help == "" || len(flag.Envs) == 0 || !strings.HasPrefix(flag.Envs[0], "RBDFS_") {
				t.Errorf("--%s: help %q, environment %q", flag.Name, flag.Help, flag.Envs)
			}
		}
	}
}
