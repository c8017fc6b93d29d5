package rbdio

import (
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// purgeEvery is how often the trash is looked at without a reason: for images
// whose time has come, and for those that were still open elsewhere.
const purgeEvery = 30 * time.Second

// purger deletes the data of images that rbdfs removed, one after the other, in
// the background. What it has to do is in the pool's trash alone, so a mount
// that was cut off loses nothing, and the next one goes on.
type purger struct {
	pool  Trash
	files *Files
	log   *slog.Logger
	wake  chan struct{}
	done  chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex // guards the rest
	expired map[string]bool
	now     *Progress // of the image being purged, or nil
	stopped bool
}

func newPurger(files *Files, log *slog.Logger) *purger {
	return &purger{
		pool:  files.pool,
		files: files,
		log:   log,
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),

		expired: make(map[string]bool),
	}
}

func (p *purger) start() { p.wg.Go(p.run) }

// cancel has the worker end soon, and the image being purged be left to the next
// mount.
func (p *purger) cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	close(p.done)
	if p.now != nil {
		p.now.Stop.Store(1)
	}
}

// stopTime is how long stop waits for an image that cannot be purged in pieces.
const stopTime = 3 * time.Second

// stop ends the worker.
func (p *purger) stop() {
	p.cancel()
	ended := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopTime):
		p.log.Info(notPurgedYet)
	}
}

// notPurgedYet is what the log says of the image that was being purged when the mount
// ended.
const notPurgedYet = "a removed image is not purged yet; the next mount goes on with it"

// expire has a removed image purged before its time, or no more.
func (p *purger) expire(id string, expired bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if expired {
		p.expired[id] = true
	} else {
		delete(p.expired, id)
	}
}

// due tells whether an image is to be purged now. Only with all it looks for those
// that a user had purged before their time through another mount, or through one
// that was cut off: that takes a question for each image in the trash.
func (p *purger) due(e TrashEntry, all bool) bool {
	p.mu.Lock()
	expired := p.expired[e.ID] || !time.Now().Before(e.Expires)
	p.mu.Unlock()
	if !expired && !all && !p.files.isLeaving(e) {
		return false
	}
	claim, err := p.pool.Claim(e)
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		p.log.Warn("who removed an image cannot be told; it stays in the trash", "image", e.Name, "id", e.ID, "error", err)
	}
	return claim == ClaimNow || claim == ClaimOurs && expired
}

// kick has the trash looked at now.
func (p *purger) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *purger) run() {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	p.sweep(true)
	for {
		select {
		case <-p.done:
			return
		case <-p.wake:
			p.sweep(false)
		case <-tick.C:
			p.sweep(true)
		}
	}
}

// sweep purges every image that is due.
func (p *purger) sweep(all bool) {
	entries, err := p.pool.ListTrash()
	if err != nil {
		p.log.Warn("the trash cannot be listed; removed images stay in it", "error", err)
		return
	}
	for _, e := range entries {
		select {
		case <-p.done:
			return
		default:
		}
		if p.due(e, all) && p.files.beginPurge(e) {
			p.purge(e)
			p.files.endPurge(e)
		}
	}
}

// begin returns the progress of the image that is now purged.
func (p *purger) begin() *Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = &Progress{}
	if p.stopped {
		p.now.Stop.Store(1)
	}
	return p.now
}

// purge deletes an image's data.
func (p *purger) purge(e TrashEntry) {
	progress, ended := p.begin(), make(chan struct{})
	go report(p.log, "purging a removed image", e.ID, progress, ended)
	err := p.pool.Purge(e.ID, progress)
	close(ended)
	switch {
	case err == nil:
		p.log.Info("purged a removed image", "image", e.Name, "id", e.ID)
	case errors.Is(err, ErrStopped):
		p.log.Info(notPurgedYet, "image", e.Name, "id", e.ID, "percent", progress.Percent())
	case errors.Is(err, syscall.EUCLEAN):
		p.log.Debug("a removed image is still on its way to the trash", "image", e.Name, "error", err)
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ENOENT):
		p.log.Debug("a removed image is in use, or purged by another mount", "image", e.Name, "error", err)
	default:
		p.log.Warn("a removed image cannot be purged; trying again later", "image", e.Name, "error", err)
	}
}
