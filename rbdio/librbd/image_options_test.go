package librbd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unsafeOptions break one rule each, and those of Ceph's spellings that count.
var unsafeOptions = [][]string{
	{"rbd_cache", "true"},
	{"rbd_cache", "1"},
	{"rbd_blocklist_on_break_lock", "false"},
}

// An image whose own options, or its pool's, are not safe is not opened for writing,
// and the reason names the command that ends it.
func TestUnsafeOptions(t *testing.T) {
	p := newPool(t)
	pool := p.cfg.Pool
	id := create(t, p, "img", 8<<20, "")
	for _, o := range unsafeOptions {
		for level, of := range map[string]string{"image": pool + "/img", "pool": pool} {
			rbdCommand(t, "config", level, "set", of, o[0], o[1])
			_, err := p.Open(id)
			wantErrno(t, err, syscall.EOPNOTSUPP)
			if want := "rbd config " + level + " rm " + of + " " + o[0]; !strings.Contains(err.Error(), want) {
				t.Errorf("%v: the reason does not say %q", err, want)
			}
			rbdCommand(t, "config", level, "rm", of, o[0])
		}
	}
	rbdCommand(t, "config", "pool", "set", pool, "rbd_cache", "true")
	rbdCommand(t, "config", "image", "set", pool+"/img", "rbd_cache", "FALSE") // wins
	open(t, p, id)
}

// A plugin of librbd that may keep writes is none to write with, whether this librbd
// has it or not.
func TestUnsafePlugins(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 8<<20, "")
	for _, plugins := range []string{"pwl_cache", "parent_cache,pwl_cache", "unknown"} {
		rbdCommand(t, "config", "pool", "set", p.cfg.Pool, "rbd_plugins", plugins)
		_, err := p.Open(id)
		if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) || !strings.Contains(err.Error(), "rbd_plugins") {
			t.Errorf("with %q: %v", plugins, err)
		}
		if safe := safePlugins(plugins); !arePluginsSafe(safe) {
			t.Errorf("%q becomes %q", plugins, safe)
		}
	}
}

// A reader is refused only a cache that keeps what it read.
func TestUnsafeOptionsForReading(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 8<<20, "")
	image := p.cfg.Pool + "/img"
	for _, o := range unsafeOptions {
		rbdCommand(t, "config", "image", "set", image, o[0], o[1])
		openRead(t, p, id)
		rbdCommand(t, "config", "image", "rm", image, o[0])
	}
	rbdCommand(t, "config", "image", "set", image, "rbd_cache_policy", "writeback")
	openRead(t, p, id)
	rbdCommand(t, "config", "image", "set", image, "rbd_cache", "true")
	_, err := p.OpenReadOnly(id)
	wantErrno(t, err, syscall.EOPNOTSUPP)
}

// What the options of an image become while it is open changes nothing for who has it
// open: a reader sees what others write, a flush tells of what failed, and a write is
// over when it is acknowledged.
func TestOptionsChangedWhileOpen(t *testing.T) {
	p := newPool(t)
	pool := p.cfg.Pool
	id := create(t, p, "img", 64<<20, "--image-feature layering")
	writer, reader := open(t, p, id), openRead(t, p, id)
	for _, o := range []string{
		"rbd_cache true", "rbd_cache_policy writeback", copyOption + " false", "rbd_cache_max_dirty_age 30", "rbd_discard_granularity_bytes 33554432",
	} {
		rbdCommand(t, append([]string{"config", "image", "set", pool + "/img"}, strings.Fields(o)...)...)
	}
	buf := make([]byte, 1<<20)
	for k := range byte(8) {
		for i := range buf {
			buf[i] = k + 1
		}
		must(t, writer.WriteAt(buf, uint64(k)<<20))
	}
	clear(buf)
	must(t, writer.Flush())
	for k := range byte(8) {
		if _, err := reader.ReadAt(buf, uint64(k)<<20); err != nil || bytes.Count(buf, []byte{k + 1}) != len(buf) {
			t.Errorf("write %d reads otherwise, %v", k, err)
		}
	}
	must(t, writer.WriteZeroes(100, 5000))
	other := make([]byte, 5200)
	_, err := reader.ReadAt(other, 0)
	must(t, err)
	if zeros := bytes.Count(other, []byte{0}); zeros != 5000 {
		t.Errorf("a reader sees %d zeros of 5000", zeros)
	}
	fillPool(t, p, "max_bytes")
	deadline := time.Now().Add(30 * time.Second)
	for err = nil; err == nil && time.Now().Before(deadline); {
		err = writeAndFlush(writer, buf, 32<<20)
	}
	if !errors.Is(err, syscall.EDQUOT) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a flush in a full pool: %v", err)
	}
}

// fillPool gives a pool a quota that it is over.
func fillPool(t *testing.T, p *Pool, quota string) {
	t.Helper()
	cephCommand(t, "osd", "pool", "set-quota", p.cfg.Pool, quota, "1")
	waitFor(t, "the pool is full", func() bool {
		return strings.Contains(poolLine(t, p.cfg.Pool), "full_quota")
	})
}

// poolLine is what the cluster says of a pool.
func poolLine(t *testing.T, pool string) string {
	t.Helper()
	for line := range strings.Lines(cephCommand(t, "osd", "pool", "ls", "detail")) {
		if strings.Contains(line, "'"+pool+"'") {
			return line
		}
	}
	return ""
}

// ceph.conf and the monitors' configuration do not count, and --ceph-option may not.
func TestUnsafeOptionsOfConnection(t *testing.T) {
	p := newPool(t)
	text, err := os.ReadFile(ceph.Conf())
	must(t, err)
	conf := filepath.Join(t.TempDir(), "ceph.conf")
	text = append(text, "\n[client]\nrbd_cache = true\nrbd_cache_policy = writeback\nrbd_plugins = pwl_cache\n"+copyOption+" = false\n"...)
	must(t, os.WriteFile(conf, text, 0o600))
	cephCommand(t, "config", "set", "client", "rbd_blocklist_on_break_lock", "false")
	t.Cleanup(func() {
		_, _ = ceph.Ceph(context.Background(), "config", "rm", "client", "rbd_blocklist_on_break_lock")
	})
	q := connect(t, p.cfg.Pool, func(c *Config) { c.Conf = conf })
	img := open(t, q, create(t, p, "img", 8<<20, ""))
	values, err := img.options()
	must(t, err)
	for _, r := range rules {
		if v, ok := values[r.key]; !ok || !r.holds(v.text) {
			t.Errorf("%s is %q", r.key, v.text)
		}
	}
	for _, o := range append(unsafeOptions, []string{copyOption, "false"}) {
		cfg := p.cfg
		cfg.Options = []string{o[0] + "=" + o[1]}
		_, err := Connect(cfg)
		var start *StartError
		if !errors.As(err, &start) || start.Step != BadOption {
			t.Errorf("%s: %v", cfg.Options, err)
		}
	}
}
