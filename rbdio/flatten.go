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

// ErrStopped says that a flattening or a purge was stopped on request. What was done
// until then stays, and the next one goes on with the rest.
var ErrStopped = Errorf(syscall.ECANCELED, "go on to the end, since it was stopped")

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

// flattening is one clone's. flattener.mu guards before, begun, ended and state,
// Percent excepted.
type flattening struct {
	progress *Progress     // by itself, since C gets a pointer to it
	before   *flattening   // of the same clone, stopped but perhaps not over yet; nil once begun
	stop     chan struct{} // closed when it is to end, as progress.Stop tells librbd
	stopOnce sync.Once
	over     chan struct{} // closed when the clone is released
	begun    bool          // librbd was told
	state    FlattenState
	ended    time.Time // when state.Running became false
}

// end has the flattening end soon, also while it waits for its turn.
func (j *flattening) end() {
	j.stopOnce.Do(func() {
		j.progress.Stop.Store(1)
		close(j.stop)
	})
}

// stopped tells whether end was called.
func (j *flattening) stopped() bool { return j.progress.Stop.Load() != 0 }

func newFlattener(files *Files, log *slog.Logger) *flattener {
	return &flattener{files: files, log: log, turns: newTurns(flattensAtOnce), jobs: make(map[string]*flattening)}
}

// flattensAtOnce bounds the clones that are flattened at once: each pins a thread,
// and has librbd copy several objects at a time.
const flattensAtOnce = 4

// flattenResults is how many flattenings that are over are remembered, the last ones.
const flattenResults = 1000

// Flatten begins to copy all that a clone's parent backs into the clone, in the
// background; nothing if that is under way. One that was stopped and is not over
// yet is followed by another one. EINVAL for an image without a parent.
func (t *Files) Flatten(id string) error {
	details, err := t.pool.Describe(id)
	if err != nil {
		return err
	}
	if details.Parent == "" {
		return Errorf(syscall.EINVAL, "flatten image %s, which has no parent", id)
	}
	h, err := t.Open(id, true)
	if err != nil {
		return err
	}
	job := t.flattener.begin(id)
	if job == nil {
		return h.Release()
	}
	go t.flattener.run(h, job)
	return nil
}

// StopFlatten has a flattening of the image end soon, and the image released; one
// that waits for its turn at once.
func (t *Files) StopFlatten(id string) {
	t.flattener.mu.Lock()
	defer t.flattener.mu.Unlock()
	if job := t.flattener.jobs[id]; job != nil {
		job.end()
	}
}

// FlattenState tells how the last flattening of the image through this mount
// stands, and false when there was none, or flattenResults others have ended since.
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
	before := w.jobs[id]
	if w.stopped || before != nil && before.state.Running && !before.stopped() {
		return nil
	}
	if before != nil && !before.begun { // it never will
		before = before.before
	}
	job := &flattening{
		progress: &Progress{}, before: before,
		stop: make(chan struct{}), over: make(chan struct{}),
		state: FlattenState{Running: true},
	}
	w.jobs[id] = job
	w.wg.Add(1)
	return job
}

// run flattens an open clone and closes it.
func (w *flattener) run(h *Handle, job *flattening) {
	defer w.wg.Done()
	defer close(job.over)
	err := w.inTurn(h.file, job)
	if err != nil && job.stopped() {
		err = ErrStopped
	}
	err = errors.Join(err, h.Release())
	w.end(job, err)
	switch {
	case errors.Is(err, ErrStopped):
		w.log.Info("stopped flattening a clone", "id", h.file.id, "percent", job.progress.Percent())
	case err != nil:
		w.log.Warn("a clone cannot be flattened", "id", h.file.id, "error", err)
	default:
		w.log.Info("flattened a clone", "id", h.file.id)
	}
}

// end notes how a job has ended, and forgets the one that ended first when there
// are more than flattenResults.
func (w *flattener) end(job *flattening, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	job.state.Running, job.state.Err, job.ended = false, err, time.Now()
	over, first := 0, ""
	for id, j := range w.jobs {
		if j.state.Running {
			continue
		}
		over++
		if first == "" || j.ended.Before(w.jobs[first].ended) {
			first = id
		}
	}
	if over > flattenResults {
		delete(w.jobs, first)
	}
}

// inTurn flattens the clone when few others are.
func (w *flattener) inTurn(f *File, job *flattening) error {
	done, ok := w.awaitTurn(job)
	if !ok {
		return ErrStopped
	}
	defer done()
	w.log.Info("flattening a clone", "id", f.id)
	ended := make(chan struct{})
	defer close(ended)
	go report(w.log, "flattening a clone", f.id, job.progress, ended)
	return f.flatten(job.progress)
}

// awaitTurn waits for the end of an earlier job of the same clone, and for a turn,
// which done ends. It is not ok when the job is stopped meanwhile.
func (w *flattener) awaitTurn(job *flattening) (done func(), ok bool) {
	w.mu.Lock()
	before := job.before
	w.mu.Unlock()
	if before != nil {
		select {
		case <-before.over:
		case <-job.stop:
			return nil, false
		}
	}
	done, ok = w.turns.takeUnless(job.stop)
	if !ok {
		return nil, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if job.stopped() {
		done()
		return nil, false
	}
	job.before, job.begun = nil, true
	return done, true
}

// reportEvery is how often the log tells how far a long call is.
const reportEvery = 10 * time.Second

// report logs the progress of a call on an image until the end.
func report(log *slog.Logger, what, id string, p *Progress, ended <-chan struct{}) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			log.Info(what, "id", id, "percent", p.Percent())
		}
	}
}

// stop ends all jobs and waits for them.
func (w *flattener) stop() {
	w.mu.Lock()
	w.stopped = true
	for _, job := range w.jobs {
		job.end()
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
