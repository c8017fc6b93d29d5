package librbd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rbdfs/rbdio"
)

func TestMetadata(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "")
	img := open(t, p, id)
	must(t, img.WriteAt([]byte{1}, 0))
	mode := uint32(0o600)
	must(t, p.SetAttr(id, rbdio.Attr{Mode: &mode}))
	want := map[string]string{"owner": "me", "conf_rbd_qos_iops_limit": "100000", "empty": "", "long": strings.Repeat("x", 10000)}
	for key, value := range want {
		must(t, p.SetMetadata(id, key, value))
	}
	got, err := p.Metadata(id)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	must(t, p.SetMetadata(id, "owner", "you"))
	must(t, p.RemoveMetadata(id, "empty"))
	wantErrno(t, p.RemoveMetadata(id, "empty"), syscall.ENOENT)
	if got, err = p.Metadata(id); err != nil || got["owner"] != "you" || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	wantErrno(t, p.SetMetadata(id, keyMode, "1"), syscall.EPERM)
	wantErrno(t, p.RemoveMetadata(id, keyMode), syscall.EPERM)
	wantErrno(t, p.SetMetadata(id, "", "1"), syscall.EINVAL)
	wantErrno(t, p.SetMetadata("0123456789ab", "a", "1"), syscall.ENOENT)
	_, err = p.Metadata("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
	must(t, img.WriteAt([]byte{2}, 0))
	must(t, img.Flush())
}

// The keys are those of Metadata, in pages, too, and none of ours.
func TestMetadataKeys(t *testing.T) {
	p := newPool(t)
	bare := create(t, p, "bare", 1<<20, "--rbd-default-features 0")
	full := create(t, p, "full", 1<<20, "")
	mode := uint32(0o600)
	must(t, p.SetAttr(full, rbdio.Attr{Mode: &mode}))
	for i := range 2*maxKeys + 1 {
		must(t, p.SetMetadata(full, fmt.Sprintf("key%d", i), "v"))
	}
	for id, n := range map[string]int{bare: 0, full: 2*maxKeys + 1} {
		m, err := p.Metadata(id)
		must(t, err)
		keys, err := p.MetadataKeys(id)
		must(t, err)
		slices.Sort(keys)
		if len(keys) != n || !slices.Equal(keys, slices.Sorted(maps.Keys(m))) {
			t.Errorf("%q, want %d, those of %q", keys, n, m)
		}
	}
	_, err := p.MetadataKeys("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
}

func TestDescribe(t *testing.T) {
	p := newPool(t)
	id := create(t, p, "img", 1<<20, "--object-size 64K --stripe-unit 4K --stripe-count 3")
	d, err := p.Describe(id)
	must(t, err)
	if d.ObjectSize != 64<<10 || d.StripeUnit != 4096 || d.StripeCount != 3 || d.BlockNamePrefix != "rbd_data."+id || d.DataPool != "" {
		t.Errorf("%+v", d)
	}
	rbdCommand(t, "snap", "create", p.cfg.Pool+"/img@s", "--no-progress")
	rbdCommand(t, "clone", "--rbd-default-clone-format", "2", p.cfg.Pool+"/img@s", p.cfg.Pool+"/clone")
	clone, err := p.Lookup("clone")
	must(t, err)
	setFlags(t, p, clone, flagObjectMapInvalid, flagObjectMapInvalid)
	open(t, p, clone)
	d, err = p.Describe(clone)
	must(t, err)
	if d.Parent != p.cfg.Pool+"/img@s" || len(d.Watchers) != 1 || len(d.Flags) != 1 || d.Flags[0] != "object map invalid" {
		t.Errorf("%+v", d)
	}
	_, err = p.Describe("0123456789ab")
	wantErrno(t, err, syscall.ENOENT)
}

// The usage follows what is written and the quota, by the caps of an RBD user.
func TestUsage(t *testing.T) {
	p := newPool(t)
	img := open(t, p, create(t, p, "img", 64<<20, ""))
	for off := range uint64(16) {
		must(t, img.WriteAt(make([]byte, 4<<20), off<<22))
	}
	must(t, img.Flush())
	if u, err := p.Usage(); err != nil || u.Available == 0 {
		t.Errorf("%+v, %v", u, err)
	}
	cephCommand(t, "osd", "pool", "set-quota", p.cfg.Pool, "max_bytes", "1073741824")
	waitFor(t, "the pool stores 64 MiB, the quota is 1 GiB", func() bool {
		u, err := p.Usage()
		must(t, err)
		return u.Stored >= 64<<20 && u.Quota == 1<<30 && u.Available > 0 && u.Images > 16
	})
}
