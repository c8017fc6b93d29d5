package main

import (
	"errors"
	"time"
)

// imageFlags say how images behave: new ones, open ones, removed ones.
type imageFlags struct {
	Cache         string        `enum:"writeback,writethrough,none" default:"${cache}" help:"What librbd keeps of writes until fsync or close: ${enum}."`
	ObjectSize    objectSize    `placeholder:"SIZE" help:"Object size of new images, 4K to 32M; Ceph's default otherwise."`
	ImageFeatures features      `sep:"none" placeholder:"NAME,..." help:"Features of new images; Ceph's default otherwise."`
	DataPool      string        `placeholder:"POOL" help:"Pool for the data of new images, such as an erasure-coded one."`
	TrashKeep     time.Duration `default:"${trash_keep}" help:"How long a removed image can be brought back, such as 24h."`
	IOTimeout     time.Duration `name:"io-timeout" default:"${io_timeout}" help:"Give up I/O that the cluster does not answer; 0 waits for ever."`
	Exclusive     bool          `help:"Keep the lock of an image that is open for writing: another host cannot open it."`
	NoExtents     bool          `help:"Show every file as data, without holes."`
}

// Validate checks what kong's tags cannot say.
func (f *imageFlags) Validate() error {
	if f.TrashKeep < 0 {
		return errors.New("--trash-keep is negative")
	}
	if f.IOTimeout < 0 {
		return errors.New("--io-timeout is negative")
	}
	return nil
}
