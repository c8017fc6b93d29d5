package librbd

/*
#include <stdlib.h>
#include "direct.h"
*/
import "C"

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/ceph/go-ceph/rados"

	"rbdfs/rbdio"
)

// session is a connection to the cluster, as used for one pool of it: ours, or
// what session.in returns. Only ours is acquired, and kept as Pool.current.
type session struct {
	*connection
	io *rados.IOContext // of the pool and namespace; the connection's
}

// connection is one connection to the cluster. A blocklisted one stays in use by
// the images that are open on it, and no others.
type connection struct {
	conn     *rados.Conn
	instance uint64 // how the cluster knows this client: its watchers' id
	pool     *Pool

	housekeeping bool // of the housekeeper; set before others know it

	// fenced is set for good once the cluster has blocklisted this connection.
	fenced atomic.Bool

	shared *C.struct_rbdfs_shared // with C code; freed by shutdown

	// users counts the calls and open images on this connection; guarded by Pool.mu.
	users int

	groupLocks atomic.Uint64 // counts session.lockGroup

	poolsMu sync.Mutex         // guards the rest; no call into Ceph is made under it
	others  map[int64]*session // for other pools, by their ids
	pools   []*rados.IOContext // of all sessions; destroyed by shutdown alone
}

// open opens a pool for the sessions of this connection; ENOENT.
//
// Calls rados_ioctx_create and rados_ioctx_set_pool_full_try.
func (c *connection) open(pool string) (*rados.IOContext, error) {
	io, err := c.conn.OpenIOContext(pool)
	if err != nil {
		return nil, err
	}
	c.poolsMu.Lock()
	c.pools = append(c.pools, io)
	c.poolsMu.Unlock()
	// A write to a full pool is to be refused with EDQUOT or ENOSPC; without this
	// it waits until there is room. librbd takes the flag over for data pools.
	return io, io.SetPoolFullTry()
}

// fence notes that err came from a blocklisted connection.
func (s *session) fence(err error) {
	if !s.fenced.CompareAndSwap(false, true) {
		return
	}
	s.tellFenced()
	if s.housekeeping {
		s.pool.log.Warn("the cluster has blocklisted the client that purges removed images: it connects again", "error", err, "instance", s.instance)
	} else {
		s.pool.log.Error("the cluster has blocklisted this client: what is open answers errors from now on, "+
			"what is opened next gets a new connection", "error", err, "instance", s.instance)
	}
}

// shutdown ends the connection, once the last of its sessions is not used any more.
//
// Calls rados_ioctx_destroy and rados_shutdown.
func (c *connection) shutdown() {
	if c.pool != nil {
		c.pool.disown(c)
	}
	c.poolsMu.Lock()
	pools := c.pools
	c.pools = nil
	c.poolsMu.Unlock()
	for _, io := range pools {
		io.Destroy()
	}
	c.conn.Shutdown()
	C.free(unsafe.Pointer(c.shared))
}

// errClosed is the answer of a pool after Close.
var errClosed = &rbdio.Error{Op: "use the pool", Errno: syscall.ENOTCONN, Why: "it is closed"}

// in returns the session for another pool of the cluster, in the namespace of
// ours; ENOENT. It is good for as long as s is.
//
// Calls rados_pool_reverse_lookup, rados_ioctx_create and rados_ioctx_set_namespace.
func (s *session) in(poolID int64) (*session, error) {
	if poolID == 0 {
		return s, nil
	}
	s.poolsMu.Lock()
	known := s.others[poolID]
	s.poolsMu.Unlock()
	if known != nil {
		return known, nil
	}
	name, err := s.conn.GetPoolByID(poolID)
	if err != nil {
		return nil, s.check(errnoFrom(err), "ask for the name of pool %d", poolID)
	}
	io, err := s.open(name)
	if err != nil {
		return nil, s.check(errnoFrom(err), "use pool %q", name)
	}
	io.SetNamespace(s.pool.cfg.Namespace)
	s.poolsMu.Lock()
	defer s.poolsMu.Unlock()
	if known = s.others[poolID]; known != nil {
		return known, nil // another call was first; shutdown destroys ours, too
	}
	if s.others == nil {
		s.others = make(map[int64]*session)
	}
	other := &session{connection: s.connection, io: io}
	s.others[poolID] = other
	return other, nil
}

// acquire returns the session to work on, a fresh one if the cluster has shut
// out the one before. It must be released. Of several callers only one
// connects, and the others wait for it.
func (p *Pool) acquire() (*session, error) {
	p.mu.Lock()
	for {
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		if !p.current.fenced.Load() {
			p.current.users++
			s := p.current
			p.mu.Unlock()
			return s, nil
		}
		if p.renewal == nil {
			p.renewal = &renewal{done: make(chan struct{})}
			go p.renew(p.renewal)
		}
		r := p.renewal
		p.mu.Unlock()
		<-r.done
		if r.err != nil {
			return nil, r.err
		}
		p.mu.Lock()
	}
}

// release ends a use that acquire began.
func (p *Pool) release(s *session) {
	p.mu.Lock()
	s.users--
	idle := s.users == 0 && (s.connection != p.current.connection || p.closed)
	p.mu.Unlock()
	if idle {
		s.shutdown()
	}
}

// renewal is an attempt to replace the current session. err is set before done
// is closed.
type renewal struct {
	done chan struct{}
	err  error
}

// renew replaces the current session.
func (p *Pool) renew(r *renewal) {
	fresh, err := dial(p.cfg)
	p.mu.Lock()
	old := p.current
	p.renewal = nil
	if err == nil && !p.closed {
		p.adoptLocked(fresh)
		p.current = fresh
	}
	stale, closed := old.users == 0 && err == nil && !p.closed, p.closed
	p.mu.Unlock()
	switch {
	case err != nil:
		p.log.Error("no new connection to the cluster", "error", err)
		r.err = startErrno(err)
	case closed:
		fresh.shutdown()
	default:
		p.log.Info("new connection to the cluster", "instance", fresh.instance, "before", old.instance)
	}
	if stale {
		old.shutdown()
	}
	close(r.done)
}

// startErrno makes an rbdio.Error of Connect's error.
func startErrno(err error) error {
	var start *StartError
	errno := syscall.EIO
	if errors.As(err, &start) {
		if e := syscall.Errno(0); errors.As(start.Err, &e) {
			errno = e
		}
	}
	return &rbdio.Error{Op: "connect again", Errno: errno, Why: err.Error()}
}
