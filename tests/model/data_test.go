package model

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// errnoOf makes an answer of a call that returns a count or a position.
func errnoOf[N int | int64](n N, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	return answer{n: int64(n)}
}

// pread reads at a position.
func (w *world) pread(t *rapid.T) {
	h := w.handle(t)
	off := w.offset(t, h.size(t))
	n := w.length(t, off)
	w.both(t, "pread", func(side int) answer {
		buf := make([]byte, n)
		a := errnoOf(unix.Pread(h.fd[side], buf, off))
		a.data = buf[:a.n]
		return a
	})
}

// read reads where the handle stands.
func (w *world) read(t *rapid.T) {
	h, n := w.handle(t), w.length(t, 0)
	w.both(t, "read", func(side int) answer {
		buf := make([]byte, n)
		a := errnoOf(unix.Read(h.fd[side], buf))
		a.data = buf[:a.n]
		return a
	})
}

// pwrite writes at a position, or at the end if the handle appends.
func (w *world) pwrite(t *rapid.T) {
	h := w.handle(t)
	off := w.offset(t, h.size(t))
	buf := data(t, w.room(t, h, w.length(t, off)))
	w.changing(t, h, len(buf), "pwrite", func(side int) answer {
		return errnoOf(unix.Pwrite(h.fd[side], buf, off))
	})
}

// write writes where the handle stands, or at the end if the handle appends.
func (w *world) write(t *rapid.T) {
	h := w.handle(t)
	at, err := unix.Seek(h.fd[local], 0, unix.SEEK_CUR)
	if err != nil {
		t.Fatal(err)
	}
	buf := data(t, w.room(t, h, w.length(t, w.bounded(at))))
	w.changing(t, h, len(buf), "write", func(side int) answer {
		return errnoOf(unix.Write(h.fd[side], buf))
	})
}

// writev writes several pieces at once.
func (w *world) writev(t *rapid.T) {
	h := w.handle(t)
	off := w.offset(t, h.size(t))
	buf := data(t, w.room(t, h, w.length(t, off)))
	cut := rapid.IntRange(0, len(buf)).Draw(t, "cut")
	w.changing(t, h, len(buf), "pwritev", func(side int) answer {
		return errnoOf(unix.Pwritev(h.fd[side], [][]byte{buf[:cut], buf[cut:]}, off))
	})
}

// room shortens what a handle that appends writes, so that files stay small.
func (w *world) room(t *rapid.T, h *handle, n int64) int64 {
	if h.flags&syscall.O_APPEND == 0 {
		return n
	}
	return min(n, max(w.limit-h.size(t), 0))
}

// changing is both for an operation that changes the file's data if n is not 0:
// then its time must be of now.
func (w *world) changing(t *rapid.T, h *handle, n int, what string, op func(side int) answer) {
	began := time.Now()
	a := w.both(t, what, op)
	if a.err != nil || n == 0 {
		return
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.fd[image], &st); err != nil {
		t.Fatal(err)
	}
	if m := time.Unix(st.Mtim.Unix()); m.Before(began) {
		t.Fatalf("%s: it began at %v, and left the file with a time of %v", what, began, m)
	}
}

// seek moves a handle.
func (w *world) seek(t *rapid.T) {
	h := w.handle(t)
	whence := rapid.IntRange(unix.SEEK_SET, unix.SEEK_END).Draw(t, "whence")
	off := w.offset(t, h.size(t))
	if whence != unix.SEEK_SET {
		off -= w.offset(t, h.size(t))
	}
	at := w.both(t, "lseek", func(side int) answer { return errnoOf(unix.Seek(h.fd[side], off, whence)) })
	if at.err == nil && at.n > w.limit { // so that the next write is not far behind the limit
		w.both(t, "lseek", func(side int) answer { return errnoOf(unix.Seek(h.fd[side], w.limit, unix.SEEK_SET)) })
	}
}

// ftruncate sets the size.
func (w *world) ftruncate(t *rapid.T) {
	h := w.handle(t)
	size := w.offset(t, h.size(t))
	n := int(size - h.size(t))
	w.changing(t, h, n, "ftruncate", func(side int) answer {
		return answer{err: unix.Ftruncate(h.fd[side], size)}
	})
}

// truncate sets the size by name.
func (w *world) truncate(t *rapid.T) {
	name, size := w.name(t, "name"), w.offset(t, 0)
	w.both(t, "truncate "+name, func(side int) answer {
		return answer{err: unix.Truncate(w.path(side, name), size)}
	})
}

// fsync flushes the file.
func (w *world) fsync(t *rapid.T) {
	h := w.handle(t)
	w.both(t, "fsync", func(side int) answer { return answer{err: unix.Fsync(h.fd[side])} })
}

// fdatasync flushes the file's data.
func (w *world) fdatasync(t *rapid.T) {
	h := w.handle(t)
	w.both(t, "fdatasync", func(side int) answer { return answer{err: unix.Fdatasync(h.fd[side])} })
}

// copyRange copies inside the mount, in one file or between two.
func (w *world) copyRange(t *rapid.T) {
	from, to := w.handle(t), w.handle(t)
	offIn := w.offset(t, from.size(t))
	offOut := w.offset(t, to.size(t))
	n := min(w.length(t, offIn), w.limit-offOut)
	w.both(t, "copy_file_range", func(side int) answer {
		return copyFile(from.fd[side], offIn, to.fd[side], offOut, n)
	})
}

// copyFile calls copy_file_range(2) until all is copied, as it may copy less at
// once, and the source's end was reached.
func copyFile(from int, offIn int64, to int, offOut, n int64) answer {
	total := int64(0)
	for total < n {
		in, out := offIn+total, offOut+total
		got, err := unix.CopyFileRange(from, &in, to, &out, int(n-total), 0)
		if err != nil {
			return answer{err: err}
		}
		if got == 0 {
			break
		}
		total += int64(got)
	}
	return answer{n: total}
}

// fallocate modes that rbdfs has.
var allocateModes = []uint32{
	0,
	unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_ZERO_RANGE,
	unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE,
}

// fallocate allocates, punches or zeroes a range.
func (w *world) fallocate(t *rapid.T) {
	h := w.handle(t)
	mode := rapid.SampledFrom(allocateModes).Draw(t, "mode")
	off := w.offset(t, h.size(t))
	n := w.length(t, off)
	w.both(t, "fallocate", func(side int) answer {
		err := unix.Fallocate(h.fd[side], mode, off, n)
		if side == local && errors.Is(err, syscall.EOPNOTSUPP) {
			err = zeroModel(h.fd[side], mode, off, n) // tmpfs has no ZERO_RANGE
		}
		return answer{err: err}
	})
}

// zeroModel does what FALLOC_FL_ZERO_RANGE does.
func zeroModel(fd int, mode uint32, off, n int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	inside := max(min(off+n, st.Size)-off, 0)
	if mode&unix.FALLOC_FL_KEEP_SIZE == 0 && off+n > st.Size {
		if err := unix.Ftruncate(fd, off+n); err != nil {
			return err
		}
	}
	punch := uint32(unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE)
	if inside == 0 {
		return nil
	}
	return unix.Fallocate(fd, punch, off, inside)
}
