package rbdio

import (
	"errors"
	"syscall"
)

// lease is a librbd image in use. Its fields are guarded by the File's mu.
type lease struct {
	ReadImage
	rw      Image // nil for an image open read-only
	refs    int
	retired bool   // to be closed with the last reference
	lost    uint64 // of rw.Lost, what File.losses has
}

// switchLocked opens the image in a mode and puts it in the place of the one in
// use, which is closed when its last call returns.
func (f *File) switchLocked(write bool) error {
	f.switching = true
	f.mu.Unlock()
	f.gate.Close()
	l, size, err := f.openImage(write)
	f.mu.Lock()
	f.switching = false
	f.changed.Broadcast()
	defer f.openGateLocked()
	if err != nil {
		return err
	}
	old := f.lease
	f.lease = l
	f.size, f.physical, f.step = size, size, 0
	f.changes++
	if old != nil {
		f.retireLocked(old)
	}
	return nil
}

// openImage opens the image and reads its size.
func (f *File) openImage(write bool) (*lease, uint64, error) {
	l := &lease{}
	var err error
	if write {
		l.rw, err = f.pool.Open(f.id)
		l.ReadImage = l.rw
	} else {
		l.ReadImage, err = f.pool.OpenReadOnly(f.id)
	}
	if err != nil {
		return nil, 0, err
	}
	size, err := l.Size()
	if err != nil {
		return nil, 0, errors.Join(err, l.ReadImage.Close())
	}
	return l, size, nil
}

// use returns the image for one call; done ends it.
func (f *File) use() (*lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.useLocked()
}

func (f *File) useLocked() (*lease, error) {
	if f.lease == nil {
		return nil, Errorf(syscall.EIO, "use image %s after the mount was shut down", f.id)
	}
	if f.fenced {
		return nil, Errorf(Fenced, "use image %s, opened before the client was cut off", f.id)
	}
	f.lease.refs++
	return f.lease, nil
}

// useWritable is use for a call that changes the image.
func (f *File) useWritable() (*lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.useWritableLocked()
}

func (f *File) useWritableLocked() (*lease, error) {
	l, err := f.useLocked()
	if err == nil && l.rw == nil {
		l.refs--
		return nil, Errorf(syscall.EBADF, "write to image %s, open read-only", f.id)
	}
	return l, err
}

// done ends a use.
func (f *File) done(l *lease, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doneLocked(l, err)
}

func (f *File) doneLocked(l *lease, err error) {
	f.noteErrorLocked(err)
	l.refs--
	if l.refs == 0 {
		if l.retired {
			go f.closeRetired(l)
		}
		f.changed.Broadcast()
	}
}

// noteErrorLocked remembers when an error says that the cluster has cut this client
// off, or that the pool is full.
func (f *File) noteErrorLocked(err error) {
	if IsFenced(err) {
		f.fenced = true
		f.gate.Shut()
	}
	if errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ENOSPC) {
		f.full, f.step = true, 0
	}
}

// retireLocked has an exchanged image closed after its last call.
func (f *File) retireLocked(l *lease) {
	l.retired = true
	f.retiring++
	if l.refs == 0 {
		go f.closeRetired(l)
	}
}

// closeRetired closes an image that nobody uses any more.
func (f *File) closeRetired(l *lease) {
	err := l.ReadImage.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.countLossesLocked(l)
	if err != nil {
		f.log.Error("closing an image that was opened anew", "id", f.id, "error", err)
		f.losses.add(1, err)
	}
	f.retiring--
	f.changed.Broadcast()
}

// isFenced tells whether the cluster has cut this file's client off.
func (f *File) isFenced() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fenced
}
