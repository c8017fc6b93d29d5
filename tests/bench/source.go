package main

import (
	"io"
	"math/rand/v2"
	"os"
)

// chunk is the unit that data and holes alternate in, in bytes.
const chunk = 4 << 20

// sparseFile makes a file of size bytes with data bytes of random data, in
// chunks that are spread over it evenly.
func sparseFile(path string, size, data int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{})
	n := data / chunk
	for i := range n {
		off := i * (size / n) / chunk * chunk
		if _, err := io.CopyN(io.NewOffsetWriter(f, off), random, chunk); err != nil {
			return err
		}
	}
	return f.Sync()
}
