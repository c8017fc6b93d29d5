package cluster

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// CreatePool makes a replicated pool and initialises it for RBD. It returns
// when the pool can be used.
func (c *Cluster) CreatePool(ctx context.Context, name string) error {
	if _, err := c.Ceph(ctx, "osd", "pool", "create", name); err != nil {
		return fmt.Errorf("create pool %q: %w", name, err)
	}
	if _, err := c.RBD(ctx, "pool", "init", name); err != nil {
		return fmt.Errorf("create pool %q: %w", name, err)
	}
	return nil
}

// CreateECPool makes an erasure-coded pool of k data and m coding chunks, one
// an OSD, that images can have as their data pool. It returns when the pool
// can be used.
func (c *Cluster) CreateECPool(ctx context.Context, name string, k, m int) error {
	if c.OSDs() < k+m {
		return fmt.Errorf("create erasure-coded pool %q: %d+%d chunks on %d OSDs", name, k, m, c.OSDs())
	}
	profile := fmt.Sprintf("k%dm%d", k, m)
	commands := [][]string{
		{"osd", "erasure-code-profile", "set", profile, fmt.Sprintf("k=%d", k), fmt.Sprintf("m=%d", m), "crush-failure-domain=osd"},
		{"osd", "pool", "create", name, "8", "8", "erasure", profile},
		{"osd", "pool", "set", name, "allow_ec_overwrites", "true"},
	}
	for _, args := range commands {
		if _, err := c.Ceph(ctx, args...); err != nil {
			return fmt.Errorf("create erasure-coded pool %q: %w", name, err)
		}
	}
	// Not "rbd pool init": it writes an omap, which such a pool cannot hold.
	if _, err := c.Ceph(ctx, "osd", "pool", "application", "enable", name, "rbd"); err != nil {
		return fmt.Errorf("create erasure-coded pool %q: %w", name, err)
	}
	// A write waits for the placement groups.
	if _, err := c.Rados(ctx, "-p", name, "create", "ready"); err != nil {
		return fmt.Errorf("create erasure-coded pool %q: %w", name, err)
	}
	_, err := c.Rados(ctx, "-p", name, "rm", "ready")
	return err
}

// RemovePool removes a pool and all that is in it.
func (c *Cluster) RemovePool(ctx context.Context, name string) error {
	_, err := c.Ceph(ctx, "osd", "pool", "rm", name, name, "--yes-i-really-really-mean-it")
	return err
}

// Pool makes a pool for this test alone, named after it, and removes it when
// the test ends.
func (c *Cluster) Pool(tb testing.TB) string {
	tb.Helper()
	name := poolName(tb.Name())
	if err := c.CreatePool(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.RemovePool(ctx, name); err != nil {
			tb.Errorf("remove pool %q: %v", name, err)
		}
	})
	return name
}

// poolName makes a unique pool name out of a test's, which may have subtests'
// slashes in it and be long.
func poolName(test string) string {
	const longest = 40
	clean := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, test)
	if len(clean) > longest {
		clean = clean[:longest]
	}
	return clean + "-" + randomName()
}

// CreateUser makes a user, "client." and a random name, with these caps, and
// writes its keyring where Keyring finds it. ReadWriteCaps and ReadOnlyCaps
// make common caps, for one namespace too.
func (c *Cluster) CreateUser(ctx context.Context, caps ...Cap) (user string, err error) {
	user = "client.t" + randomName()
	args := []string{"auth", "get-or-create", user}
	for _, c := range caps {
		args = append(args, c.Service, c.Allow)
	}
	out, err := c.Ceph(ctx, args...)
	if err != nil {
		return "", fmt.Errorf("create user %q: %w", user, err)
	}
	dir, err := c.userDir()
	if err != nil {
		return "", fmt.Errorf("create user %q: %w", user, err)
	}
	if err := os.WriteFile(keyringPath(dir, user), []byte(out), 0o600); err != nil {
		return "", fmt.Errorf("create user %q: %w", user, err)
	}
	return user, nil
}
