package librbd

import (
	"encoding/json"
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// usageAge is how long an answer of Usage is good for: df, and every statfs of
// the kernel, would ask the monitors otherwise.
const usageAge = 2 * time.Second

// usageCache keeps the last answer of Usage.
type usageCache struct {
	mu    sync.Mutex // guards the rest; never held while asking
	last  rbdio.Usage
	asked time.Time
}

// fresh returns the last answer if it is not too old.
func (c *usageCache) fresh() (rbdio.Usage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, !c.asked.IsZero() && time.Since(c.asked) < usageAge
}

// keep remembers an answer.
func (c *usageCache) keep(u rbdio.Usage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.asked = u, time.Now()
}

// Usage returns what the pool stores and has room for: with a data pool for new
// images, that one. It is up to 2 s old.
//
// Calls rados_mon_command with df, and rados_cluster_stat where that says nothing.
func (p *Pool) Usage() (usage rbdio.Usage, err error) {
	if u, ok := p.usage.fresh(); ok {
		return u, nil
	}
	err = p.read(func(s *session) error {
		answer, _, err := s.conn.MonCommand([]byte(`{"prefix":"df","detail":"detail","format":"json"}`))
		if errno := errnoFrom(err); errno != 0 && errno != syscall.EACCES {
			return s.check(errno, "ask for the pool's usage")
		}
		var ok bool
		if usage, ok = parseUsage(answer, first(p.cfg.DataPool, p.cfg.Pool)); !ok {
			// Caps without "mon r", or a pool so new that no OSD has reported it.
			stat, err := s.conn.GetClusterStats()
			if err != nil {
				return s.check(errnoFrom(err), "ask for the cluster's usage")
			}
			usage = rbdio.Usage{Available: stat.Kb_avail << 10}
		}
		p.usage.keep(usage)
		return nil
	})
	return usage, err
}

// parseUsage finds a pool in the answer of "ceph df detail --format=json".
func parseUsage(answer []byte, pool string) (rbdio.Usage, bool) {
	var df struct {
		Pools []struct {
			Name  string
			Stats struct {
				Stored    uint64 `json:"stored"`
				Available uint64 `json:"max_avail"`
				Quota     uint64 `json:"quota_bytes"`
				Objects   uint64 `json:"objects"`
			}
		}
	}
	if err := json.Unmarshal(answer, &df); err != nil {
		return rbdio.Usage{}, false
	}
	for _, p := range df.Pools {
		if p.Name == pool {
			s := p.Stats
			return rbdio.Usage{Stored: s.Stored, Available: s.Available, Quota: s.Quota, Images: s.Objects}, true
		}
	}
	return rbdio.Usage{}, false
}
