package rbdio

// copyChunk is the most that one step of a copy holds in memory, in bytes.
const copyChunk = 4 << 20

// copyRange is Handle.CopyRange.
func (f *File) copyRange(fileOff uint64, call *Call, dst *File, dstOff, length uint64) (uint64, error) {
	length = clip(fileOff, length, f.Size())
	var buf []byte
	done := uint64(0)
	for done < length {
		from, to := fileOff+done, dstOff+done
		e, data, err := f.extentAt(from, fileOff+length)
		if err != nil {
			return done, err
		}
		n := clip(from, e.Len, f.Size())
		if n == 0 {
			break // it was made shorter meanwhile
		}
		if data {
			n = min(n, copyChunk-to%copyChunk) // whole objects, where they are aligned
			if buf == nil {
				buf = make([]byte, min(copyChunk, length))
			}
			n, err = f.copyData(from, call, dst, to, buf[:n])
		} else {
			err = dst.copyHole(call, to, n)
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// copyData copies len(buf) bytes by way of buf, or as many as f has, and returns
// how many.
func (f *File) copyData(fileOff uint64, call *Call, dst *File, dstOff uint64, buf []byte) (uint64, error) {
	n, err := f.readAt(buf, fileOff)
	if err != nil {
		return 0, err
	}
	return uint64(n), dst.writeAt(call, buf[:n], dstOff)
}

// copyHole makes a range of the destination read as zeros, and reach as far.
func (dst *File) copyHole(call *Call, dstOff, length uint64) error {
	if err := dst.zero(call, dstOff, length); err != nil {
		return err
	}
	return dst.extend(call, dstOff+length)
}
