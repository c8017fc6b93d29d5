package rbdio

// Still runs do while the image holds still: all that was written is on the OSDs,
// the image has the file's size, and writes wait until do returns. So a snapshot
// that do takes has every write that was over before, and none by half. It is refused,
// once, for failures that nobody was told of. An image
// that is opened for writing meanwhile is written to after that.
func (f *File) Still(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lease == nil || f.lease.rw == nil {
		f.stills++
		f.mu.Unlock()
		err := do()
		f.mu.Lock()
		f.stills--
		f.openGateLocked()
		f.changed.Broadcast()
		return err
	}
	l, err := f.useLocked()
	if err != nil {
		return err
	}
	f.quietLocked()
	defer f.resumeLocked()
	size, physical := f.size, f.physical
	f.mu.Unlock()
	now, err := physical, f.flushImage(l)
	if lost := f.tellStill(); err == nil {
		err = lost
	}
	if err == nil {
		now, err = stillImage(l.rw, size, physical)
	}
	if err == nil {
		err = do()
	}
	f.mu.Lock()
	f.doneLocked(l, err)
	if now != physical {
		f.size, f.physical, f.step = now, now, 0
		f.holes.forget()
	}
	return err
}

// stillImage cuts what an image that nobody writes to here grew ahead of its file.
// It returns the size that the image then has.
func stillImage(img Image, size, physical uint64) (now uint64, err error) {
	if size == physical {
		return physical, nil
	}
	now, err = settleImage(img, size, physical)
	if err != nil {
		return physical, err
	}
	return now, nil
}

// tellStill returns the newest failure unless all were told before. That takes it
// from no Handle.
func (f *File) tellStill() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.losses.since(max(f.losses.told, f.losses.still))
	f.losses.still = f.losses.count
	return err
}
