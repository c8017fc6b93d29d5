package rbdio

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Progress is how far a long call has come, and the wish to end it. Who makes the
// call and who watches it use it at once, without locks; librbd's C code knows the
// layout, three words.
type Progress struct {
	Done  atomic.Uint64 // of Total, in steps of the call's own
	Total atomic.Uint64 // 0 before the first step
	Stop  atomic.Uint64 // not 0: end soon, and with an error if not done
}

// Percent returns how much is done, rounded down.
func (p *Progress) Percent() int {
	total := p.Total.Load()
	if total == 0 {
		return 0
	}
	return int(min(100, 100*p.Done.Load()/total))
}

// FlattenState is how a flattening stands.
type FlattenState struct {
	Percent int
	Running bool
	Err     error // why it ended before it was done, or nil
}

// ErrStopped says that a flattening was stopped on request. What was copied
// until then stays, and the next one goes on with the rest.
var ErrStopped = Errorf(syscall.ECANCELED, "flatten an image: it was stopped")

// flattener copies into clones what their parents still back, in the background.
// A clone being flattened is a file open for writing, as any other.
type flattener struct {
	files *Files
	log   *slog.Logger
	wg    sync.WaitGroup
	turns turns // for those that run; the others wait

	mu      sync.Mutex // guards the rest
	jobs    map[string]*flattening
	stopped bool
}

// flattening is one clone's. flattener.mu guards state, Percent excepted.
type flattening struct {
	progress *Progress // by itself, since C gets a pointer to it
	state    FlattenState
}

func newFlattener(files *Files, log *slog.Logger) *flattener {
	return &flattener{files: files, log: log, turns: newTurns(flattensAtOnce), jobs: make(map[string]*flattening)}
}

// flattensAtOnce bounds the clones that are flattened at once: each pins a thread,
// and has librbd copy several objects at a time.
const flattensAtOnce = 4

// Flatten begins to copy all that a clone's parent backs into the clone, in the
// background; nothing if that is under way. EINVAL for an image without a parent.
func (t *Files) Flatten(id string) error {
	details, err := t.pool.Describe(id)
	if err != nil {
		return err
	}
	if details.Parent == "" {
		return Errorf(syscall.EINVAL, "flatten image %s, which has no parent", id)
	}
	f, err := t.Open(id, true)
	if err != nil {
		return err
	}
	job := t.flattener.begin(id)
	if job == nil {
		return t.Release(f, true)
	}
	go t.flattener.run(f, job)
	return nil
}

// StopFlatten has a flattening of the image end soon.
func (t *Files) StopFlatten(id string) {
	t.flattener.mu.Lock()
	defer t.flattener.mu.Unlock()
	if job := t.flattener.jobs[id]; job != nil {
		job.progress.Stop.Store(1)
	}
}

// FlattenState tells how the last flattening of the image through this mount
// stands, and false when there was none.
func (t *Files) FlattenState(id string) (FlattenState, bool) {
	t.flattener.mu.Lock()
	defer t.flattener.mu.Unlock()
	job := t.flattener.jobs[id]
	if job == nil {
		return FlattenState{}, false
	}
	state := job.state
	state.Percent = job.progress.Percent()
	if !state.Running && state.Err == nil {
		state.Percent = 100
	}
	return state, true
}

// begin returns a new job, or nil while one of the image is under way or after
// the mount was shut down.
func (w *flattener) begin(id string) *flattening {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.jobs[id]; w.stopped || old != nil && old.state.Running {
		return nil
	}
	job := &flattening{progress: &Progress{}, state: FlattenState{Running: true}}
	w.jobs[id] = job
	w.wg.Add(1)
	return job
}

// run flattens an open clone and closes it.
func (w *flattener) run(f *File, job *flattening) {
	defer w.wg.Done()
	err := w.inTurn(f, job.progress)
	if err != nil && job.progress.Stop.Load() != 0 {
		err = ErrStopped
	}
	err = errors.Join(err, w.files.Release(f, true))
	w.mu.Lock()
	job.state.Running, job.state.Err = false, err
	w.mu.Unlock()
	switch {
	case errors.Is(err, ErrStopped):
		w.log.Info("stopped flattening a clone", "id", f.id, "percent", job.progress.Percent())
	case err != nil:
		w.log.Warn("a clone cannot be flattened", "id", f.id, "error", err)
	default:
		w.log.Info("flattened a clone", "id", f.id)
	}
}

// inTurn flattens the clone when few others are.
func (w *flattener) inTurn(f *File, p *Progress) error {
	defer w.turns.take()()
	if p.Stop.Load() != 0 {
		return ErrStopped
	}
	w.log.Info("flattening a clone", "id", f.id)
	ended := make(chan struct{})
	defer close(ended)
	go w.report(f.id, p, ended)
	return f.flatten(p)
}

// flattenReport is how often the log tells how far a flattening is.
const flattenReport = 10 * time.Second

// report logs the progress until the end.
func (w *flattener) report(id string, p *Progress, ended <-chan struct{}) {
	tick := time.NewTicker(flattenReport)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			w.log.Info("flattening a clone", "id", id, "percent", p.Percent())
		}
	}
}

// stop ends all jobs and waits for them.
func (w *flattener) stop() {
	w.mu.Lock()
	w.stopped = true
	for _, job := range w.jobs {
		job.progress.Stop.Store(1)
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// flatten copies all that the parent backs into the image, which is open for
// writing.
func (f *File) flatten(p *Progress) error {
	l, err := f.useWritable()
	if err != nil {
		return err
	}
	err = l.rw.Flatten(p)
	f.done(l, err)
	return err
}
