package librbd

import (
	"time"

	"rbdfs/rbdio"
)

// housekeeper is a client of the cluster for long work on images, such as purging a
// large one, beside the one that files are served by. A client has one thread for
// completions, and librbd keeps it while it goes through the objects of an image that
// do not exist (ceph: src/librados/RadosClient.h: finish_strand,
// src/librbd/AsyncObjectThrottle.cc), so that for 64 TiB all else of that client, but
// for reads and writes of open images, would wait for 10 to 30 s.
//
// It connects when it is first needed, again when the cluster has shut it out, and
// ends when it was idle for housekeeperIdle: it has some 15 threads.
type housekeeper struct {
	pool *Pool

	// turn has room for one: who has put a value in it may use what follows, and
	// call Ceph meanwhile.
	turn    chan struct{}
	session *session // nil when not connected
	idle    *time.Timer
}

// housekeeperIdle is how long the housekeeper stays connected without work: for the
// next of several removed images.
const housekeeperIdle = time.Second

func newHousekeeper(p *Pool) *housekeeper {
	return &housekeeper{pool: p, turn: make(chan struct{}, 1)}
}

// do runs a job, one after the other, and runs it again on a new connection if the
// old one turns out to be blocklisted: the job must be one that goes on where it was
// cut off.
func (h *housekeeper) do(job func(s *session) error) error {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	err := h.once(job)
	if rbdio.IsFenced(err) {
		err = h.once(job)
	}
	return err
}

// once runs a job on the session of now.
func (h *housekeeper) once(job func(s *session) error) error {
	if h.idle != nil {
		h.idle.Stop()
	}
	if err := h.connect(); err != nil {
		return err
	}
	err := job(h.session)
	h.idle = time.AfterFunc(housekeeperIdle, h.end)
	return err
}

// connect makes sure that there is a session that the cluster has not shut out.
func (h *housekeeper) connect() error {
	if h.session != nil && !h.session.fenced.Load() {
		return nil
	}
	h.disconnect()
	if h.pool.isClosed() {
		return errClosed
	}
	s, err := dial(h.pool.cfg)
	if err != nil {
		return startErrno(err)
	}
	s.housekeeping = true
	h.pool.adopt(s)
	h.session = s
	h.pool.log.Debug("connected for the purge of removed images", "instance", s.instance)
	return nil
}

// disconnect ends the session.
func (h *housekeeper) disconnect() {
	if h.session != nil {
		h.session.shutdown()
		h.session = nil
	}
}

// end ends the session unless a job uses it: that sets another timer, or ends with
// the process.
func (h *housekeeper) end() {
	select {
	case h.turn <- struct{}{}:
		h.disconnect()
		<-h.turn
	default:
	}
}

// isClosed tells whether Close was called.
func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// adopt has a session counted among the pool's own clients until its end.
func (p *Pool) adopt(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.adoptLocked(s)
}

func (p *Pool) adoptLocked(s *session) {
	s.pool = p
	p.clients[s.instance] = struct{}{}
}

// disown is the end of adopt.
func (p *Pool) disown(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clients, c.instance)
}

// ours tells whether an instance is one of the pool's own clients: that of now, one
// that it took the place of, or the housekeeper.
func (p *Pool) ours(instance uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.clients[instance]
	return ok
}
