package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Users that every cluster made by Start has.
const (
	// Admin may do everything.
	Admin = "client.admin"
	// RBD has the rbd profile on all pools: what rbdfs is meant to run with.
	RBD = "client.rbd"
	// RBDReadOnly has the rbd-read-only profile on all pools.
	RBDReadOnly = "client.rbdro"
	// RBDNamespace has the rbd profile in Namespace of DefaultPool alone.
	RBDNamespace = "client.rbdns"
)

// Cap is what a user may do with one kind of daemon: {"osd", "profile rbd"}.
type Cap struct{ Service, Allow string }

// ReadWriteCaps are the caps of an RBD user; scope limits them, as in
// "pool=vms namespace=ns1", or is empty for everything.
func ReadWriteCaps(scope string) []Cap {
	profile := strings.TrimSpace("profile rbd " + scope)
	return []Cap{{"mon", "profile rbd"}, {"osd", profile}, {"mgr", profile}}
}

// ReadOnlyCaps are the caps of a user that may only read; scope as in
// ReadWriteCaps.
func ReadOnlyCaps(scope string) []Cap {
	profile := strings.TrimSpace("profile rbd-read-only " + scope)
	return []Cap{{"mon", "profile rbd-read-only"}, {"osd", profile}, {"mgr", profile}}
}

// entity is a name in the cluster's authentication database.
type entity struct {
	name string
	key  string
	caps []Cap
}

// entities are all users and daemons of a new cluster, the monitor first; their keys
// are missing.
func entities(osds int) []entity {
	all := []Cap{{"mon", "allow *"}, {"osd", "allow *"}, {"mgr", "allow *"}, {"mds", "allow *"}}
	list := []entity{
		{name: "mon.", caps: all[:1]},
		{name: "mgr.x", caps: []Cap{{"mon", "allow profile mgr"}, {"osd", "allow *"}, {"mds", "allow *"}}},
		{name: Admin, caps: all},
		{name: RBD, caps: ReadWriteCaps("")},
		{name: RBDReadOnly, caps: ReadOnlyCaps("")},
		{name: RBDNamespace, caps: ReadWriteCaps("pool=" + DefaultPool + " namespace=" + Namespace)},
	}
	for i := range osds {
		list = append(list, entity{
			name: osdName(i),
			caps: []Cap{{"mon", "allow profile osd"}, {"mgr", "allow profile osd"}, {"osd", "allow *"}},
		})
	}
	return list
}

// makeKeys gives each entity a key of the type that the installed Ceph makes: a
// monitor of 19.2.6, 20.2.4 or later refuses those of the older type, aes, unless it
// is told otherwise (CVE-2025-30156), and an older one knows no other.
func (c *Cluster) makeKeys(ctx context.Context, list []entity) error {
	fns := make([]func(context.Context) error, len(list))
	for i := range list {
		fns[i] = func(ctx context.Context) error {
			out, err := c.run(ctx, "ceph-authtool", "--gen-print-key")
			if err != nil {
				return fmt.Errorf("key of %s: %w", list[i].name, err)
			}
			list[i].key = strings.TrimSpace(out)
			return nil
		}
	}
	return parallel(ctx, fns...)
}

// keyring is the entity in the form of a keyring file. Only the monitor's
// initial keyring needs the caps.
func (e entity) keyring(withCaps bool) string {
	var s strings.Builder
	fmt.Fprintf(&s, "[%s]\n\tkey = %s\n", e.name, e.key)
	for _, c := range e.caps {
		if withCaps {
			fmt.Fprintf(&s, "\tcaps %s = %q\n", c.Service, c.Allow)
		}
	}
	return s.String()
}

// writeKeyrings writes a keyring for each entity where ceph.conf looks for it,
// and the one that the monitor takes its authentication database from.
func writeKeyrings(dir string, list []entity) error {
	var initial strings.Builder
	for _, e := range list {
		initial.WriteString(e.keyring(true))
		path := keyringPath(dir, e.name)
		if strings.HasPrefix(e.name, "osd.") || strings.HasPrefix(e.name, "mgr.") {
			path = filepath.Join(dir, e.name, "keyring")
		}
		if e.name == "mon." {
			continue
		}
		if err := os.WriteFile(path, []byte(e.keyring(false)), 0o600); err != nil {
			return fmt.Errorf("keyring of %s: %w", e.name, err)
		}
	}
	return os.WriteFile(initialKeyring(dir), []byte(initial.String()), 0o600)
}

// initialKeyring is the file that "ceph-mon --mkfs" reads.
func initialKeyring(dir string) string { return filepath.Join(dir, "initial.keyring") }

// keyringPath is where ceph.conf makes clients look for a user's keyring.
func keyringPath(dir, user string) string { return filepath.Join(dir, user+".keyring") }
