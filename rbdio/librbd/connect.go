package librbd

import (
	"errors"
	"os"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"
)

// dial makes a session; its error is a *StartError.
func dial(cfg Config) (*session, error) {
	confPath, cluster, user := cfg.identity(os.Getenv)
	conn, err := rados.NewConnWithClusterAndUser(cluster, user)
	if err != nil {
		return nil, &StartError{Step: BadOption, Subject: user, Err: errnoFrom(err)}
	}
	s := &session{connection: &connection{conn: conn, shared: newShared()}}
	if err := configure(conn, cfg, confPath, cluster); err != nil {
		s.shutdown()
		return nil, err
	}
	if err := conn.Connect(); err != nil {
		defer s.shutdown()
		return nil, connectError(conn, user, errnoFrom(err))
	}
	if err := s.enter(cfg); err != nil {
		s.shutdown()
		return nil, err
	}
	s.instance = conn.GetInstanceID()
	return s, nil
}

// connectError tells why rados_connect refused. It answers ENOENT for a keyring
// that is not there, and the same for one that does not have the user.
func connectError(conn *rados.Conn, user string, errno syscall.Errno) error {
	e := &StartError{Step: Failed, Subject: user, Err: errno}
	if errno == syscall.EIO || errno == syscall.EINVAL {
		if bad := keyError(conn, user); bad != nil {
			return bad
		}
	}
	switch errno {
	case syscall.ETIMEDOUT:
		e.Step = MonitorsSilent
		e.Subject = option(conn, "mon_host")
	case syscall.EACCES, syscall.EPERM:
		e.Step = AuthRefused
	case syscall.ENOENT:
		e.Step = AuthRefused
	case syscall.EINVAL:
		e.Step, e.Subject = ConfUnreadable, "mon_host = "+option(conn, "mon_host")
	}
	if paths, missing := keyringMissing(conn); missing && e.Step == AuthRefused {
		e.Step, e.Subject = KeyringMissing, paths
	}
	return e
}

// keyringMissing tells whether none of the files that may hold the user's key is
// there, and which they are.
func keyringMissing(conn *rados.Conn) (paths string, missing bool) {
	if option(conn, "key") != "" || option(conn, "keyfile") != "" {
		return "", false
	}
	for _, path := range keyringPaths(conn) {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
			return "", false
		}
	}
	return option(conn, "keyring"), true
}

// enter opens the pool and the namespace, and lists them once.
func (s *session) enter(cfg Config) error {
	io, err := s.open(cfg.Pool)
	if err != nil {
		return poolError(cfg.Pool, NoPool, errnoFrom(err))
	}
	s.io = io
	if cfg.DataPool != "" {
		data, err := s.conn.OpenIOContext(cfg.DataPool)
		if err != nil {
			return poolError(cfg.DataPool, NoPool, errnoFrom(err))
		}
		data.Destroy()
	}
	if cfg.Namespace == "" {
		return s.initialised(cfg)
	}
	exists, err := rbd.NamespaceExists(io, cfg.Namespace)
	spec := cfg.Pool + "/" + cfg.Namespace
	if err != nil {
		return poolError(spec, NoNamespace, errnoFrom(err))
	}
	if !exists {
		return poolError(spec, NoNamespace, syscall.ENOENT)
	}
	io.SetNamespace(cfg.Namespace)
	if _, errno := listPage(io, ""); errno != 0 && errno != syscall.ENOENT {
		return poolError(spec, Failed, errno)
	}
	return nil
}

// initialised tells whether the pool is one of RBD's: it has images, or rbd
// pool init was run on it.
func (s *session) initialised(cfg Config) error {
	_, errno := listPage(s.io, "")
	if errno == 0 {
		return nil
	}
	if errno == syscall.ENOENT {
		_, err := s.io.Stat("rbd_info")
		errno = errnoFrom(err)
	}
	if errno == syscall.ENOENT {
		return poolError(cfg.Pool, NotInitialised, errno)
	}
	if errno != 0 {
		return poolError(cfg.Pool, Failed, errno)
	}
	return nil
}

// poolError makes a StartError about a pool. notFound is the step for ENOENT.
func poolError(spec string, notFound Step, errno syscall.Errno) error {
	e := &StartError{Step: Failed, Subject: spec, Err: errno}
	switch errno {
	case syscall.ENOENT:
		e.Step = notFound
	case syscall.EPERM, syscall.EACCES:
		e.Step = CapsTooSmall
	case syscall.ETIMEDOUT:
		e.Step = MonitorsSilent
	}
	return e
}

// option reads an option of the connection, "" for one that librados does not
// know.
func option(conn *rados.Conn, name string) string {
	value, err := conn.GetConfigOption(name)
	if err != nil {
		return ""
	}
	return value
}
