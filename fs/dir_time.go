package fs

import (
	"sync"
	"syscall"
	"time"

	"rbdfs/rbdio"
)

// The times of the directories whose content is one of the pool's lists are those of
// that list's last change, by any client. So they move when an image is made, removed
// or renamed, as find -newer and make expect of a directory, and stay over a remount.
//
//	the root, .snap, .group   the images; librbd notes no time with groups
//	.trash                    the removed images

// timePatience is how long a stat of a directory waits for the cluster. After that it
// shows the time that was known: every path leads through the root, and what needs no
// more of the mount than a name, such as umount and df, is not to hang with the cluster.
const timePatience = time.Second

// dirTimes is what is known of the directories' times.
type dirTimes struct {
	mounted time.Time // shown before anything else is known

	mu    sync.Mutex // guards the rest; never held while asking
	known map[rbdio.List]time.Time
	late  int // questions that timePatience was over for
}

// changed returns when a list was last changed.
func (m *mount) changed(list rbdio.List) time.Time {
	d := &m.times
	d.mu.Lock()
	waiting := d.late > 0
	d.mu.Unlock()
	if waiting {
		return d.last(list)
	}
	answered := make(chan struct{})
	late := make(chan bool, 1)
	go func() {
		at, err := m.pool.Changed(list)
		if err == nil {
			d.learn(list, at)
		} else if errno, _ := toErrno(err); errno != syscall.EACCES && errno != syscall.EPERM {
			m.log.Debug("the time of a directory is not known", "error", err)
		}
		close(answered)
		if <-late {
			d.count(-1)
		}
	}()
	select {
	case <-answered:
		late <- false
	case <-time.After(timePatience):
		d.count(1)
		late <- true
	}
	return d.last(list)
}

// learn remembers an answer. One that comes later may be older.
func (d *dirTimes) learn(list rbdio.List, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[rbdio.List]time.Time)
	}
	if at.After(d.known[list]) {
		d.known[list] = at
	}
}

// count counts a question that is late, or not any more.
func (d *dirTimes) count(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.late += n
}

// last returns what is known of a list; of one that never was, the mount's own time.
func (d *dirTimes) last(list rbdio.List) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.known[list]; !at.IsZero() {
		return at
	}
	return d.mounted
}
