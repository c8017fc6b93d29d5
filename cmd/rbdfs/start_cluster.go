package main

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"rbdfs/rbdio/librbd"
)

// connect connects to the pool; a signal ends that. What libraries write to
// stdout and stderr meanwhile is for debugging only.
func connect(cfg librbd.Config, signals <-chan os.Signal) (*librbd.Pool, error) {
	if restore, err := hush(); err == nil {
		defer func() {
			if text := restore(); text != "" {
				cfg.Logger.Debug("libraries wrote while connecting", "text", text)
			}
		}()
	}
	type answer struct {
		pool *librbd.Pool
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		pool, err := librbd.Connect(cfg)
		done <- answer{pool, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return nil, startFailure(cfg, a.err)
		}
		return a.pool, nil
	case <-time.After(connectTime):
		// Silent monitors would have ended this at librados' own limit. Silent OSDs
		// do not, nor do those of Ceph 18 for a user who has no caps for OSDs at all.
		return nil, failf(exitCluster, "the cluster does not answer in %v; check with \"ceph osd stat\" that its OSDs run, and with \"ceph auth get\" that the user has the caps \"profile rbd\" for osd", connectTime)
	case sig := <-signals:
		return nil, failf(exitInterrupted, "ended by the signal %q before the pool was mounted", sig)
	}
}

// librbdConfig is what librbd needs to know of the flags.
func (c *mountCmd) librbdConfig(logger *slog.Logger) librbd.Config {
	cfg := c.cephFlags.librbdConfig(c.Pool, logger)
	cfg.Cache, cfg.IOTimeout = librbd.Cache(c.Cache), c.IOTimeout
	cfg.ObjectSize, cfg.Features, cfg.DataPool = uint64(c.ObjectSize), c.ImageFeatures, c.DataPool
	cfg.Exclusive, cfg.ReadOnly = c.Exclusive, c.ReadOnly
	return cfg
}

// librbdConfig says which pool of which cluster, and who asks.
func (f *cephFlags) librbdConfig(pool poolSpec, logger *slog.Logger) librbd.Config {
	cfg := librbd.Config{
		Conf: f.Conf, Cluster: f.Cluster, ID: f.ID, Name: f.Name, Keyring: f.Keyring, MonHost: f.MonHost,
		Pool: pool.pool, Namespace: pool.namespace, Logger: logger,
	}
	for _, o := range f.CephOption {
		cfg.Options = append(cfg.Options, o.key+"="+o.value)
	}
	return cfg
}

// startFailure says what to do about an error of librbd.Connect.
func startFailure(cfg librbd.Config, err error) error {
	var e *librbd.StartError
	if !errors.As(err, &e) {
		return failf(exitCluster, "the cluster cannot be used: %v", err)
	}
	pool := cfg.Pool
	switch e.Step {
	case librbd.BadOption:
		return optionFailure(e)
	case librbd.ConfMissing:
		return failf(exitConfMissing, "ceph.conf %q does not exist; name the cluster's with --conf, or its monitors with --mon-host", e.Subject)
	case librbd.ConfUnreadable:
		return failf(exitConfUnreadable, "ceph.conf or an option is no use (%s: %v); correct it, or name another file with --conf", e.Subject, reason(e.Err))
	case librbd.KeyringMissing:
		return failf(exitKeyringMissing, "no keyring of the user is there (looked for %s); name it with --keyring, or the user with --id", e.Subject)
	case librbd.KeyringUnreadable:
		return failf(exitKeyringMissing, "the keyring is no use (%s: %v); get it again with \"ceph auth get\", or name another with --keyring", e.Subject, e.Err)
	case librbd.KeyTypeUnknown:
		return failf(exitKeyType, "the installed librados does not know that type of key (%s: %v); install librados 19.2.6, 20.2.4 or later, or name a keyring with --keyring that has only keys of type aes", e.Subject, e.Err)
	case librbd.AuthRefused:
		return failf(exitAuthRefused, "the cluster refuses the user or its key (%s: %v); check --id, and that --keyring names a file that holds the key and may be read", e.Subject, reason(e.Err))
	case librbd.MonitorsSilent:
		return failf(exitMonsSilent, "no monitor of the cluster answers (mon_host %q); check that they run and that --conf or --mon-host names them", e.Subject)
	case librbd.NoPool:
		return poolFailure(cfg, e)
	case librbd.NoNamespace:
		return failf(exitNamespace, "namespace %q does not exist in pool %q; create it with \"rbd namespace create %s/%s\" or name another", cfg.Namespace, pool, pool, cfg.Namespace)
	case librbd.NotInitialised:
		return failf(exitPoolNotInit, "pool %q is not initialised for RBD; do it with \"rbd pool init %s\" or name another", pool, pool)
	case librbd.CapsTooSmall:
		return failf(exitCaps, "the user may not list the images of %q; give it the caps \"profile rbd\" for mon and osd with \"ceph auth caps\"", e.Subject)
	default:
		return failf(exitCluster, "the cluster cannot be used: %v; \"ceph status\" may tell why", e)
	}
}

// poolFailure tells the mount's pool from the one for new images' data.
func poolFailure(cfg librbd.Config, e *librbd.StartError) error {
	if e.Subject == cfg.DataPool && cfg.DataPool != cfg.Pool {
		return failf(exitDataPool, "the data pool %q does not exist; create it with \"ceph osd pool create %s\" or name another with --data-pool", e.Subject, e.Subject)
	}
	return failf(exitPoolMissing, "pool %q does not exist; create it with \"ceph osd pool create %s\" and \"rbd pool init %s\", or name another", cfg.Pool, cfg.Pool, cfg.Pool)
}

// optionFailure names the option, but not its value, which may be a key.
func optionFailure(e *librbd.StartError) error {
	if e.Subject == "" {
		return failf(exitCephOption, "%v; correct the flag or CEPH_ARGS", e.Err)
	}
	name, _, _ := strings.Cut(e.Subject, "=")
	return failf(exitCephOption, "Ceph does not take %q (%v); correct the flag or leave it out", name, e.Err)
}
