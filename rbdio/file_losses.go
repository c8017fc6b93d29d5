package rbdio

// losses counts what was acknowledged and may be lost: writes that failed behind, and
// flushes that failed. The count never falls, and outlives the exchange of the image,
// so that each Handle can have a place of its own in it, as an open file has in
// Linux's errseq_t (Documentation/core-api/errseq.rst). File.mu guards it.
type losses struct {
	count uint64
	last  error  // of the newest
	told  uint64 // how many of them a program was told of, through any Handle,
	still uint64 // and how many Still
}

// add counts n failures.
func (c *losses) add(n uint64, err error) {
	c.count += n
	c.last = err
}

// since returns the count, and the newest failure if there were more than before.
func (c *losses) since(before uint64) (count uint64, err error) {
	if c.count <= before {
		return c.count, nil
	}
	return c.count, c.last
}

// untold returns the newest failure unless a program was told of all.
func (c *losses) untold() error {
	_, err := c.since(c.told)
	return err
}

// lostSince returns how many failures there are, and the newest if there were more
// than before, which is for its caller to tell.
func (f *File) lostSince(before uint64) (count uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.countLossesLocked(f.lease)
	return f.losses.since(before)
}

// toldLost notes that a program was told of so many failures.
func (f *File) toldLost(count uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.losses.told = max(f.losses.told, count)
}

// countLossesLocked adds the writes that an image, which may be nil, has lost since
// it was last asked.
func (f *File) countLossesLocked(l *lease) {
	if l == nil || l.rw == nil {
		return
	}
	if lost, err := l.rw.Lost(); lost > l.lost {
		f.losses.add(lost-l.lost, err)
		l.lost = lost
		if l == f.lease {
			f.noteErrorLocked(err)
		}
	}
}
