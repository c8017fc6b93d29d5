package librbd

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"

	"github.com/ceph/go-ceph/rados"
	"github.com/ceph/go-ceph/rbd"

	"rbdfs/rbdio"
)

var _ rbdio.Pool = (*Pool)(nil)

// Pool is an RBD pool, or a namespace of one. Connect makes it. Its methods may
// be called from several goroutines at once.
type Pool struct {
	cfg Config
	log *slog.Logger
	key string

	// mu guards what follows, and the users of each session. No call into Ceph is
	// made under it.
	mu      sync.Mutex
	current *session
	renewal *renewal            // under way, or nil
	clients map[uint64]struct{} // our connections, as the cluster knows them
	closed  bool

	housekeeper *housekeeper
	usage       usageCache
}

// Connect connects to a cluster and a pool. Its error is a *StartError, and
// arrives within 10 s.
//
// Calls rados_create2, rados_conf_read_file, rados_conf_set, rados_connect,
// rados_ioctx_create and rbd_list2.
func Connect(cfg Config) (*Pool, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg, log: cfg.Logger, current: s, clients: make(map[uint64]struct{})}
	p.housekeeper = newHousekeeper(p)
	p.adopt(s)
	fsid, err := s.conn.GetFSID()
	if err != nil {
		s.shutdown()
		return nil, &StartError{Step: Failed, Err: errnoFrom(err)}
	}
	p.reportFormat1(s)
	p.key = fmt.Sprintf("%s/%d/%s", fsid, s.io.GetPoolID(), cfg.Namespace)
	return p, nil
}

// Key names the pool for inode numbers.
//
// Calls rados_cluster_fsid and rados_ioctx_get_id, when connecting.
func (p *Pool) Key() string { return p.key }

// Close ends the connection. An image that is still open keeps it until it is
// closed.
//
// Calls rados_ioctx_destroy and rados_shutdown.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	s := p.current
	idle := s.users == 0
	p.mu.Unlock()
	if idle {
		s.shutdown()
	}
	p.housekeeper.end()
	return nil
}

// read runs a call that changes nothing, and runs it again on a new connection
// if the old one turns out to be blocklisted.
func (p *Pool) read(call func(s *session) error) error {
	err := p.once(call)
	if rbdio.IsFenced(err) {
		err = p.once(call)
	}
	return err
}

// change runs a call that changes something. It is not repeated, since part of
// it may have been done.
func (p *Pool) change(what string, call func(s *session) error) error {
	if p.cfg.ReadOnly {
		return &rbdio.Error{Op: what, Errno: syscall.EROFS, Why: "the pool is mounted read-only"}
	}
	return p.once(call)
}

// once runs a call on the session of now.
func (p *Pool) once(call func(s *session) error) error {
	s, err := p.acquire()
	if err != nil {
		return err
	}
	defer p.release(s)
	return call(s)
}

// Versions are those of the Ceph libraries that the program runs with.
type Versions struct {
	Librbd   string
	Librados string
}

// Version gives the versions of librbd and librados at run time.
//
// Calls rbd_version and rados_version.
func Version() Versions {
	a, b, c := rbd.Version()
	d, e, f := rados.Version()
	return Versions{Librbd: fmt.Sprintf("%d.%d.%d", a, b, c), Librados: fmt.Sprintf("%d.%d.%d", d, e, f)}
}
